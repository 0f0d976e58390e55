<?php
/**
 * Doubles for the ports. They live in one World, which can die: from then on every call fails, as for a PHP process
 * that was killed, and what was stored before stays.
 */
final class Killed extends Error
{
}

final class World
{
    public $now = 1767225600; // 2026-01-01 00:00:00 UTC
    /** Names of calls before which, and after which, the process is killed. */
    public $dieBefore = '';
    public $dieAfter = '';
    private $dead = false;

    public function before(string $call): void
    {
        if ($this->dieBefore === $call) {
            $this->dead = true;
        }
        $this->live();
    }

    public function after(string $call): void
    {
        if ($this->dieAfter === $call) {
            $this->dead = true;
        }
        $this->live();
    }

    public function restart(): void
    {
        $this->dead = false;
        $this->dieBefore = '';
        $this->dieAfter = '';
    }

    private function live(): void
    {
        if ($this->dead) {
            throw new Killed('The process is gone');
        }
    }
}

final class MemorySettings implements PugmarkSettingsTable
{
    public $values;

    public function __construct(array $values = array())
    {
        $this->values = $values;
    }

    public function all(): array
    {
        return $this->values;
    }

    public function put(string $name, string $value): void
    {
        $this->values[$name] = $value;
    }
}

final class MemoryReferences implements PugmarkReferenceTable
{
    public $rows = array();
    private $world;

    public function __construct(World $world)
    {
        $this->world = $world;
    }

    public function find(string $module, string $reference)
    {
        $this->world->before('find');
        return isset($this->rows["$module|$reference"]) ? $this->rows["$module|$reference"] : null;
    }

    public function start(string $module, string $reference): void
    {
        $this->world->before('start');
        $this->rows += array("$module|$reference" => array('state' => 'started', 'crmid' => null, 'after' => 0));
        $this->world->after('start');
    }

    public function finish(string $module, string $reference, int $crmid): void
    {
        $this->world->before('finish');
        if (isset($this->rows["$module|$reference"])) {
            $this->rows["$module|$reference"] = array('state' => 'done', 'crmid' => $crmid) + $this->rows["$module|$reference"];
        }
        $this->world->after('finish');
    }

    public function forget(string $module, string $reference): void
    {
        $this->world->before('forget');
        if (isset($this->rows["$module|$reference"]) && $this->rows["$module|$reference"]['state'] === 'started') {
            unset($this->rows["$module|$reference"]);
        }
    }
}

/** Contacts as vTiger keeps them: text, cut to the column, numbers with two decimals, and a recycle bin. */
final class MemoryRecords implements PugmarkRecords
{
    const TYPES = array('lastname' => 'string', 'firstname' => 'string', 'mobile' => 'phone', 'cf_ref' => 'string',
        'cf_short' => 'string', 'total' => 'double', 'emailoptout' => 'boolean', 'assigned_user_id' => 'owner', 'account_id' => 'reference', 'modifiedtime' => 'datetime', 'source' => 'string',
        'id' => 'id');

    public $records = array();
    public $deleted = array();
    public $saves = array();
    /** Marks of records, and which records have all their rows. */
    public $marks = array();
    public $complete = array();
    /** Thrown by create, before or after the record is stored. */
    public $failBefore = null;
    public $failAfter = null;
    public $loseReference = false;
    private $world;
    private $next = 2;

    public function __construct(World $world)
    {
        $this->world = $world;
    }

    public function fields(string $module): array
    {
        $this->world->before('fields');
        if ($module !== 'Contacts') {
            throw new PugmarkRefused('ACCESS_DENIED', 'Permission to perform the operation is denied');
        }
        return self::TYPES;
    }

    public function readOnly(string $module): array
    {
        return array('modifiedtime');
    }

    public function isOwner(string $id): bool
    {
        return in_array($id, array('19x1', '19x5', '20x2'), true);
    }

    public function longest(string $module, string $field): int
    {
        return $field === 'cf_short' ? 5 : 64;
    }

    public function exists(string $module, int $crmid): bool
    {
        $this->world->before('exists');
        return isset($this->records[$crmid]) && !isset($this->deleted[$crmid]);
    }

    public function holders(string $module, string $field, string $text): array
    {
        $this->world->before('holders');
        $found = array();
        foreach ($this->records as $crmid => $record) {
            if (isset($record[$field]) && $record[$field] === $text && !isset($this->deleted[$crmid])) {
                $found[] = $crmid;
            }
        }
        return $found;
    }

    public function read(string $module, int $crmid): array
    {
        $this->world->before('read');
        return $this->records[$crmid] + array_fill_keys(array_keys(self::TYPES), '');
    }

    public function create(string $module, array $fields, bool $bulk, string $mark): int
    {
        $this->world->before('create');
        if ($this->failBefore) {
            throw $this->failBefore;
        }
        $crmid = $this->next++;
        $this->marks[$crmid] = $mark;
        $this->keep($crmid, array_diff_key($fields, array('cf_ref' => 1)));
        $this->world->after('half of create');
        if (!$this->loseReference) {
            $this->keep($crmid, $fields);
        }
        $this->world->after('most of create');
        $this->complete[$crmid] = true;
        $this->saves[] = array('create', $crmid, $fields, $bulk);
        $this->world->after('create');
        if ($this->failAfter) {
            throw $this->failAfter;
        }
        return $crmid;
    }

    public function unmark(int $crmid, string $source): void
    {
        $this->world->before('unmark');
        $this->records[$crmid]['source'] = $source === '' ? 'WEBSERVICE' : $source;
        unset($this->marks[$crmid]);
        $this->world->after('unmark');
    }

    public function repair(string $module, int $crmid): void
    {
        $this->complete[$crmid] = true;
        unset($this->marks[$crmid]);
    }

    public function discard(string $module, string $field, string $mark, int $after): void
    {
        $this->world->before('discard');
        foreach (array_keys($this->marks, $mark, true) as $crmid) {
            if ($crmid > $after && empty($this->records[$crmid][$field])) {
                $this->deleted[$crmid] = true;
            }
        }
    }

    public function revise(string $module, int $crmid, array $fields, bool $bulk): void
    {
        $this->world->before('revise');
        $this->keep($crmid, $fields);
        $this->saves[] = array('revise', $crmid, $fields, $bulk);
        $this->world->after('revise');
    }

    public function id(string $module, int $crmid): string
    {
        return '12x' . $crmid;
    }

    /** Stores a record as somebody in the CRM would. */
    public function keep(int $crmid, array $fields): void
    {
        $record = isset($this->records[$crmid]) ? $this->records[$crmid] : array();
        foreach ($fields as $name => $value) {
            $text = is_bool($value) ? ($value ? '1' : '0') : (string) $value;
            $record[$name] = $name === 'total' ? number_format((float) $text, 2, '.', '')
                : mb_substr($text, 0, $this->longest('Contacts', $name));
        }
        $this->records[$crmid] = $record;
    }
}

final class MemoryLocks implements PugmarkLocks
{
    public $held = array();
    /** Names held by somebody else. */
    public $foreign = array();
    public $taken = array();

    public function take(string $name, int $seconds): bool
    {
        if (in_array($name, $this->foreign, true)) {
            return false;
        }
        $this->held[$name] = true;
        $this->taken[] = $name;
        return true;
    }

    public function release(string $name): void
    {
        unset($this->held[$name]);
    }
}

final class MemoryOutbox implements PugmarkOutboxTable
{
    public $rows = array();
    private $world;
    private $next = 1;

    public function __construct(World $world)
    {
        $this->world = $world;
    }

    public function add(array $row): int
    {
        $id = $this->next++;
        $this->rows[$id] = array('id' => $id, 'at' => gmdate('Y-m-d H:i:s', $this->world->now), 'attempts' => 0,
            'next_attempt' => null) + $row;
        ksort($this->rows);
        return $id;
    }

    /** Takes a number as a save does that is not committed yet; its row comes later, or never. */
    public function reserve(): int
    {
        return $this->next++;
    }

    public function commit(int $id, array $row): void
    {
        $next = $this->next;
        $this->next = $id;
        $this->add($row);
        $this->next = $next;
    }

    public function after(int $id, int $count): array
    {
        $rows = array_filter($this->rows, function ($row) use ($id) {
            return $row['id'] > $id;
        });
        return array_map(array($this, 'aged'), array_slice(array_values($rows), 0, $count));
    }

    public function head()
    {
        foreach ($this->rows as $row) {
            if ($row['state'] === 'waiting') {
                return $this->aged($row);
            }
        }
        return null;
    }

    public function newestAged(int $seconds): int
    {
        $newest = 0;
        foreach ($this->rows as $row) {
            $newest = $this->aged($row)['age'] >= $seconds ? $row['id'] : $newest;
        }
        return $newest;
    }

    public function newest(): int
    {
        return $this->rows ? max(array_keys($this->rows)) : 0;
    }

    public function mark(int $id, array $columns): void
    {
        $this->rows[$id] = $columns + $this->rows[$id];
    }

    public function removeUpTo(int $id): void
    {
        foreach (array_keys($this->rows) as $number) {
            if ($number <= $id) {
                unset($this->rows[$number]);
            }
        }
    }

    public function counts(): array
    {
        return array_count_values(array_column($this->rows, 'state'));
    }

    private function aged(array $row): array
    {
        return $row + array('age' => $this->world->now - strtotime($row['at'] . ' UTC'));
    }
}
