<?php
/** What the plain classes need of the CRM. The real ones are in ../crm, the doubles in the tests. */

/** Settings by name, as text. */
interface PugmarkSettingsTable
{
    /** @return array name => text, only those ever set */
    public function all(): array;

    public function put(string $name, string $value): void;
}

/** Which record belongs to which reference of ours; at most one row for a module and reference. */
interface PugmarkReferenceTable
{
    /** @return array|null with state ('started' or 'done'), crmid (int or null), and after: the newest record's number at the start */
    public function find(string $module, string $reference);

    /** Notes that a record is about to be made; does nothing where there is a row. */
    public function start(string $module, string $reference): void;

    /** Notes the record of a started reference. */
    public function finish(string $module, string $reference, int $crmid): void;

    /** Forgets a reference that is started only. */
    public function forget(string $module, string $reference): void;
}

/** The records of the CRM, by module and number. Values are those of the web service. */
interface PugmarkRecords
{
    /**
     * @return array the module's fields: name => type name of describe ("string", "double", ...)
     * @throws PugmarkRefused ACCESS_DENIED for a module that is not there
     */
    public function fields(string $module): array;

    /** @return string[] fields that cannot be written */
    public function readOnly(string $module): array;

    /** Whether it is the id of a user or group that is there. */
    public function isOwner(string $id): bool;

    /** The longest text that the field keeps, in characters. */
    public function longest(string $module, string $field): int;

    /** Whether the record is there and not in the recycle bin. */
    public function exists(string $module, int $crmid): bool;

    /** @return int[] records, not deleted, whose field holds exactly this text; two are enough to know */
    public function holders(string $module, string $field, string $text): array;

    /** @return array field => value */
    public function read(string $module, int $crmid): array;

    /**
     * Makes a record and gives its number. In bulk: without workflows, history and events.
     *
     * @param string $mark what the record carries from its first row on, until unmark
     */
    public function create(string $module, array $fields, bool $bulk, string $mark): int;

    /** Takes the mark off a record. @param string $source what the record says of its origin; '' for the web service's usual */
    public function unmark(int $crmid, string $source): void;

    /** Takes the mark off, and adds what is missing of a record whose making was cut off after it got its reference. */
    public function repair(string $module, int $crmid): void;

    /** Removes what a making that was cut off left with this mark, if the field never got a value. Looks above a number. */
    public function discard(string $module, string $field, string $mark, int $after): void;

    public function revise(string $module, int $crmid, array $fields, bool $bulk): void;

    /** The record's id as the web service writes it: "12x34". */
    public function id(string $module, int $crmid): string;
}

/** Locks by name that all processes of the CRM share. A lock ends with the process that took it. */
interface PugmarkLocks
{
    /** Whether the lock was had within so many seconds. */
    public function take(string $name, int $seconds): bool;

    public function release(string $name): void;
}

/** The outbox: one row for each change of a watched module, numbered upwards. Times are UTC, "Y-m-d H:i:s". */
interface PugmarkOutboxTable
{
    /** @return int the row's number */
    public function add(array $row): int;

    /**
     * Rows after a number, in order.
     * @return array[] id, module, crmid, kind, at, age (seconds), crm_user (int or null), detail (array), state, attempts, next_attempt (or null)
     */
    public function after(int $id, int $count): array;

    /** The first row that waits to be sent. @return array|null */
    public function head();

    /** The number of the newest row that is at least so many seconds old; 0 for none. */
    public function newestAged(int $seconds): int;

    /** The newest row's number; 0 for an empty outbox. */
    public function newest(): int;

    /** Sets columns of a row: state, attempts, next_attempt, last_answer. */
    public function mark(int $id, array $columns): void;

    /** Removes rows up to and with this number. */
    public function removeUpTo(int $id): void;

    /** @return array state => number of rows */
    public function counts(): array;
}

/** Unix seconds. */
interface PugmarkClock
{
    public function now(): int;
}

/** Sends one request. */
interface PugmarkHttp
{
    /** @return int the HTTP status, 0 where there was no answer */
    public function post(string $url, array $headers, string $body): int;
}

/** The CRM's users. A user is an array of number, user_name, email1, status, roleid, first_name, last_name. */
interface PugmarkUserAccounts
{
    /** @return array[] users that are not deleted, active or not, of this login name in any case */
    public function named(string $userName): array;

    /** @return array|null */
    public function find(int $number);

    /** The id of a role given by id or by name; null where there is none, or several of that name. */
    public function role(string $idOrName);

    /** A rule for passwords that the CRM's administrator set, as a regular expression; '' for none. */
    public function passwordPattern(): string;

    public function create(array $fields): int;

    public function change(int $number, array $fields): void;

    public function setPassword(int $number, string $password): void;

    public function id(int $number): string;
}

/** Custom fields. */
interface PugmarkCustomFields
{
    /** Whether it is a module whose records carry custom fields. */
    public function takesFields(string $module): bool;

    /** The name of the module's field that has this name or, failing that, this label. @return string|null */
    public function named(string $module, string $name, string $label);

    public function create(string $module, array $field): void;

    /** Whether an index was made; false where the field's column had one. */
    public function index(string $module, string $field): bool;
}
