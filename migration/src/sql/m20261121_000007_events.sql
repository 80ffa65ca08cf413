-- Events get a place in one order; what goes to an endpoint is a queue of its own, with a log of every attempt.

ALTER TABLE outbox_event ADD COLUMN sequence {int};         -- given when it is told: the order of commits, without gaps that fill up later
CREATE UNIQUE INDEX outbox_event_sequence_key ON outbox_event (sequence) WHERE sequence IS NOT NULL;

CREATE TABLE outbox_state (
    id              {int}   NOT NULL PRIMARY KEY,
    last_sequence   {int}   NOT NULL
);

CREATE TABLE event_sink (
    name            TEXT    NOT NULL PRIMARY KEY,
    sequence        {int}   NOT NULL            -- of the last event that it acknowledged
);

ALTER TABLE webhook_endpoint ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE webhook_endpoint ADD COLUMN algorithm TEXT NOT NULL DEFAULT 'hmac-sha256' CHECK (algorithm IN ('hmac-sha256','ed25519'));
ALTER TABLE webhook_endpoint ADD COLUMN previous_secret {bytes};    -- sealed; signs beside the new one
ALTER TABLE webhook_endpoint ADD COLUMN previous_until {time};
ALTER TABLE webhook_endpoint ADD COLUMN disabled_reason TEXT;
ALTER TABLE webhook_endpoint ADD COLUMN failures {int} NOT NULL DEFAULT 0;     -- in a row
ALTER TABLE webhook_endpoint ADD COLUMN failing_since {time};
ALTER TABLE webhook_endpoint ADD COLUMN paused_until {time};

ALTER TABLE webhook_delivery RENAME TO webhook_delivery_before;

CREATE TABLE webhook_delivery (
    id              {id}    NOT NULL PRIMARY KEY,
    endpoint_id     {id}    NOT NULL REFERENCES webhook_endpoint (id) ON DELETE CASCADE,
    event_id        {id}    NOT NULL,
    tenant_id       {id},                       -- NULL: an event of the platform
    type            TEXT    NOT NULL,
    sequence        {int}   NOT NULL,           -- the event's
    status          TEXT    NOT NULL CHECK (status IN ('pending','delivered','dead')),
    attempts        {int}   NOT NULL,
    next_attempt_at {time}  NOT NULL,
    response_status {int},
    last_error      TEXT,
    created_at      {time}  NOT NULL,
    delivered_at    {time}
);
CREATE UNIQUE INDEX webhook_delivery_endpoint_event_key ON webhook_delivery (endpoint_id, event_id);
CREATE INDEX webhook_delivery_queue_idx ON webhook_delivery (endpoint_id, sequence) WHERE status = 'pending';
CREATE INDEX webhook_delivery_waiting_idx ON webhook_delivery (endpoint_id, next_attempt_at) WHERE status = 'pending';
CREATE INDEX webhook_delivery_done_idx ON webhook_delivery (created_at) WHERE status <> 'pending';

CREATE TABLE webhook_attempt (
    delivery_id     {id}    NOT NULL REFERENCES webhook_delivery (id) ON DELETE CASCADE,
    id              {id}    NOT NULL,
    at              {time}  NOT NULL,
    milliseconds    {int}   NOT NULL,
    response_status {int},
    response_body   TEXT,                       -- its beginning
    error           TEXT,
    PRIMARY KEY (delivery_id, id)
);
