-- Whether only a newer version of the service can read the event, as its last attempt found.
ALTER TABLE webhook_delivery ADD COLUMN unreadable {bool} NOT NULL DEFAULT FALSE;
