CREATE TABLE store_state (
    id              {int}   NOT NULL PRIMARY KEY,
    probed_at       {time},
    fences          {int}   NOT NULL DEFAULT 0,  -- written after commits that failed
    checked_at      {time}
);
