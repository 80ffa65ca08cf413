-- Mail: in which language, how it ended, in whose name, and who gets none.

ALTER TABLE mail_message RENAME TO mail_message_before;

CREATE TABLE mail_message (
    tenant_id       {id}    NOT NULL REFERENCES tenant (id),
    id              {id}    NOT NULL,
    organization_id {id},
    dedupe_key      TEXT    NOT NULL,           -- organization, template, recipient, occasion
    template        TEXT    NOT NULL,
    locale          TEXT    NOT NULL,
    recipient       TEXT    NOT NULL,
    subject         TEXT    NOT NULL,
    content         {bytes} NOT NULL,           -- sealed: a mail may hold a link that signs somebody in
    status          TEXT    NOT NULL CHECK (status IN ('queued','sent','kept','suppressed','failed','bounced')),
    reason          TEXT,                       -- why it failed, bounced or was suppressed
    created_at      {time}  NOT NULL,
    send_at         {time}  NOT NULL,
    sent_at         {time},
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX mail_message_occasion_key ON mail_message (tenant_id, dedupe_key);
CREATE INDEX mail_message_created_idx ON mail_message (created_at);

CREATE TABLE mail_branding (
    tenant_id       {id}    NOT NULL PRIMARY KEY REFERENCES tenant (id),
    sender_name     TEXT,
    reply_to        TEXT,
    logo_url        TEXT,
    color           TEXT,
    footer          TEXT,
    support_url     TEXT,
    locale          TEXT,
    version         {int}   NOT NULL,
    created_at      {time}  NOT NULL,
    updated_at      {time}  NOT NULL
);

CREATE TABLE mail_suppression (
    address_key     TEXT    NOT NULL PRIMARY KEY,
    reason          TEXT    NOT NULL CHECK (reason IN ('hard_bounce','complaint','manual')),
    detail          TEXT,
    created_at      {time}  NOT NULL
);
