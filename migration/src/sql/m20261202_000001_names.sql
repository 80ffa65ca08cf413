-- Names that the glossary replaced. Text with a CHECK can't be changed in place on SQLite; a column can be replaced.
ALTER TABLE mail_message ADD COLUMN status_now TEXT NOT NULL DEFAULT 'queued'
    CHECK (status_now IN ('queued','sent','stored','suppressed','failed','bounced'));
ALTER TABLE directory_guard ADD COLUMN state_now TEXT NOT NULL DEFAULT 'armed'
    CHECK (state_now IN ('armed','blocked','confirmed','rejected'));
