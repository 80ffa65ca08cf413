-- The kill switch of a flag, and what other flags must give for it.

ALTER TABLE flag ADD COLUMN enabled {bool} NOT NULL DEFAULT TRUE;
ALTER TABLE flag ADD COLUMN prerequisites {json} NOT NULL DEFAULT '[]';
