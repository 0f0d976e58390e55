<?php
/** Doubles of the clock, the receiver, users and custom fields. */
final class WorldClock implements PugmarkClock
{
    private $world;

    public function __construct(World $world)
    {
        $this->world = $world;
    }

    public function now(): int
    {
        return $this->world->now;
    }
}

/** A receiver that answers as told. */
final class ScriptedHttp implements PugmarkHttp
{
    /** Statuses to answer with; afterwards 200. */
    public $answers = array();
    /** Seconds that a request takes. */
    public $seconds = 0;
    public $requests = array();
    private $world;

    public function __construct(World $world)
    {
        $this->world = $world;
    }

    public function post(string $url, array $headers, string $body): int
    {
        $this->world->before('post');
        $this->world->now += $this->seconds;
        $this->requests[] = array('url' => $url, 'headers' => $headers, 'body' => $body);
        $this->world->after('post');
        return $this->answers ? array_shift($this->answers) : 200;
    }
}

/** Users as vTiger keeps them: nothing stops two of one name, names are the same in any case. */
final class MemoryUsers implements PugmarkUserAccounts
{
    public $users = array();
    public $passwords = array();
    public $pattern = '';
    public $storesNothing = false;
    private $world;
    private $next = 5;

    public function __construct(World $world)
    {
        $this->world = $world;
    }

    public function named(string $userName): array
    {
        return array_values(array_filter($this->users, function ($user) use ($userName) {
            return strcasecmp($user['user_name'], $userName) === 0;
        }));
    }

    public function find(int $number)
    {
        return isset($this->users[$number]) ? $this->users[$number] : null;
    }

    public function role(string $idOrName)
    {
        $roles = array('H4' => 'Sales Manager', 'H5' => 'Sales Person', 'H6' => 'Twin', 'H7' => 'Twin');
        if (isset($roles[$idOrName])) {
            return $idOrName;
        }
        $ids = array_keys($roles, $idOrName, true);
        return count($ids) === 1 ? $ids[0] : null;
    }

    public function passwordPattern(): string
    {
        return $this->pattern;
    }

    public function create(array $fields): int
    {
        $this->world->before('createUser');
        $number = $this->next++;
        if (!$this->storesNothing) {
            $this->users[$number] = array('number' => $number, 'status' => 'Active') + array_intersect_key($fields,
                array_flip(PugmarkUsers::SHOWN));
            $this->passwords[$number] = $fields['user_password'];
        }
        $this->world->after('createUser');
        return $number;
    }

    public function change(int $number, array $fields): void
    {
        $this->users[$number] = array_intersect_key($fields, array_flip(PugmarkUsers::SHOWN)) + $this->users[$number];
    }

    public function setPassword(int $number, string $password): void
    {
        $this->passwords[$number] = $password;
    }

    public function id(int $number): string
    {
        return '19x' . $number;
    }
}

final class MemoryFields implements PugmarkCustomFields
{
    /** module => field name => label */
    public $fields = array('Contacts' => array('lastname' => 'Last Name'), 'Leads' => array());
    public $indexes = array();

    public function takesFields(string $module): bool
    {
        return isset($this->fields[$module]);
    }

    public function named(string $module, string $name, string $label)
    {
        if (isset($this->fields[$module][$name])) {
            return $name;
        }
        $found = array_search($label, $this->fields[$module], true);
        return $found === false ? null : $found;
    }

    public function create(string $module, array $field): void
    {
        $this->fields[$module][$field['name']] = $field['label'];
    }

    public function index(string $module, string $field): bool
    {
        $is = in_array("$module.$field", $this->indexes, true);
        $this->indexes[] = "$module.$field";
        return !$is;
    }
}
