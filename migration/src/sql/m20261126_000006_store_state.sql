CREATE TABLE store_state (
    id              {int}   NOT NULL PRIMARY KEY,
    probed_at       {time},
    checked_at      {time}
);
