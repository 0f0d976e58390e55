-- Who got the task of a missing requirement. Written before the task is created, so that every attempt means the same
-- people, whoever joins or leaves meanwhile.
CREATE TABLE task_assignments (
    -- Entity id of the task's link.
    task_id        TEXT PRIMARY KEY,
    requirement_id TEXT NOT NULL,
    customer_id    TEXT NOT NULL,
    -- A user or a group of vTiger.
    assignee       TEXT NOT NULL,
    -- vTiger may have been told that the task is done.
    closed         INTEGER NOT NULL DEFAULT 0,
    -- What people should know of the choice, a JSON list.
    remarks        TEXT NOT NULL DEFAULT '[]',
    assigned_at    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX task_assignments_requirement ON task_assignments (requirement_id, task_id);
CREATE INDEX task_assignments_customer ON task_assignments (customer_id, requirement_id);

-- Whose turn it is: the last turn each user had. The row of nobody ('') counts the turns, and whoever holds it chooses.
CREATE TABLE task_turns (
    assignee TEXT PRIMARY KEY,
    turn     INTEGER NOT NULL
) WITHOUT ROWID;
