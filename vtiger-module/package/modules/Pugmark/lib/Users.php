<?php
/** Finds, creates and changes users of the CRM, and sets their passwords. */
final class PugmarkUsers
{
    const MANDATORY = array('user_name', 'user_password', 'first_name', 'last_name', 'email1', 'roleid', 'reference');
    const CHANGEABLE = array('status', 'first_name', 'last_name', 'email1', 'phone_mobile', 'roleid');
    const SHOWN = array('user_name', 'email1', 'status', 'roleid', 'first_name', 'last_name');

    private $accounts;
    private $references;
    private $locks;
    private $settings;

    public function __construct(PugmarkUserAccounts $accounts, PugmarkReferenceTable $references, PugmarkLocks $locks,
        PugmarkSettings $settings)
    {
        $this->accounts = $accounts;
        $this->references = $references;
        $this->locks = $locks;
        $this->settings = $settings;
    }

    public function find(string $userName): array
    {
        return array('users' => array_map(array($this, 'shown'), $this->accounts->named($userName)));
    }

    /** Creates a user, once for each reference. */
    public function create($element): array
    {
        $element = PugmarkInput::object($element, 'element');
        $fields = array();
        foreach (self::MANDATORY as $name) {
            $fields[$name] = PugmarkInput::text($element, $name, $name === 'reference' ? 128 : 255);
            if (trim($fields[$name]) === '') {
                throw new PugmarkRefused('MANDATORY_FIELDS_MISSING', "$name does not have a value");
            }
        }
        $fields['phone_mobile'] = PugmarkInput::text($element, 'phone_mobile', 50);
        // One lock for all: it guards the user name as well as the reference, and users are few.
        if (!$this->locks->take('users', PugmarkUpsert::LOCK_SECONDS)) {
            throw new PugmarkRefused('BUSY', 'Another call creates a user');
        }
        try {
            return $this->shown($this->accounts->find($this->once($fields)));
        } finally {
            $this->locks->release('users');
        }
    }

    /** Changes a user, also an inactive one. */
    public function update(string $id, $element): array
    {
        $element = PugmarkInput::object($element, 'element');
        $user = $this->existing($id);
        $changes = array();
        foreach (self::CHANGEABLE as $name) {
            if (array_key_exists($name, $element) && $element[$name] !== null) {
                $changes[$name] = PugmarkInput::text($element, $name);
            }
        }
        if (isset($changes['status']) && !in_array($changes['status'], array('Active', 'Inactive'), true)) {
            throw new PugmarkRefused('INVALID_STATUS', 'status must be Active or Inactive');
        }
        if (isset($changes['roleid'])) {
            $changes['roleid'] = $this->role($changes['roleid']);
        }
        if ($changes) {
            $this->accounts->change($user['number'], $changes);
        }
        return $this->shown($this->accounts->find($user['number']));
    }

    public function setPassword(string $id, string $password): array
    {
        $user = $this->existing($id);
        $this->checkPassword($password);
        $this->accounts->setPassword($user['number'], $password);
        return array('id' => $this->accounts->id($user['number']));
    }

    /** The number of the reference's user, made now if there is none. */
    private function once(array $fields): int
    {
        $reference = $fields['reference'];
        $row = $this->references->find('Users', $reference);
        if ($row !== null && $row['crmid'] !== null) {
            if ($this->accounts->find((int) $row['crmid']) === null) {
                $id = $this->accounts->id((int) $row['crmid']);
                throw new PugmarkRefused('RECORD_DELETED', "The user $id of this reference was deleted", $id);
            }
            return (int) $row['crmid'];
        }
        $this->checkPassword($fields['user_password']);
        $fields['roleid'] = $this->role($fields['roleid']);
        unset($fields['reference']);
        $same = $this->accounts->named($fields['user_name']);
        if ($same && !$this->isUnfinished($row, $same, $fields)) {
            throw new PugmarkRefused('DUPLICATE_USER_NAME', 'A user named ' . $fields['user_name'] . ' exists');
        }
        $this->references->start('Users', $reference);
        $number = $same ? $this->finish($same[0]['number'], $fields) : $this->accounts->create($fields);
        if ($this->accounts->find($number) === null) {
            // vTiger goes on after a failed query as if nothing had happened.
            throw new PugmarkRefused('CREATE_UNPROVEN', 'The CRM did not store the user');
        }
        $this->references->finish('Users', $reference, $number);
        return $number;
    }

    /**
     * Whether the user of this name is what an earlier call for this reference left behind when it was cut off. The
     * name was free when that call began, and the address is the one it was given.
     */
    private function isUnfinished($row, array $same, array $fields): bool
    {
        return $row !== null && count($same) === 1 && strcasecmp($same[0]['email1'], $fields['email1']) === 0;
    }

    private function finish(int $number, array $fields): int
    {
        $this->accounts->change($number, array_intersect_key($fields, array_flip(self::CHANGEABLE)));
        $this->accounts->setPassword($number, $fields['user_password']);
        return $number;
    }

    private function checkPassword(string $password): void
    {
        $shortest = $this->settings->count('shortest_password');
        if (!mb_check_encoding($password, 'UTF-8') || mb_strlen($password, 'UTF-8') < $shortest) {
            throw new PugmarkRefused('WEAK_PASSWORD', "The password is shorter than $shortest characters");
        }
        $pattern = $this->accounts->passwordPattern();
        if ($pattern !== '' && !preg_match($pattern, $password)) {
            throw new PugmarkRefused('WEAK_PASSWORD', 'The password does not follow the rule set in the CRM');
        }
    }

    private function role(string $idOrName): string
    {
        $role = $this->accounts->role($idOrName);
        if ($role === null) {
            throw new PugmarkRefused('ROLE_NOT_FOUND', "No role $idOrName, or several of this name");
        }
        return $role;
    }

    private function existing(string $id): array
    {
        list($prefix) = explode('x', $this->accounts->id(1));
        $number = PugmarkInput::number($id, $prefix);
        $user = $number > 0 ? $this->accounts->find($number) : null;
        if ($user === null) {
            throw new PugmarkRefused('RECORD_NOT_FOUND', 'Record you are trying to access is not found');
        }
        return $user;
    }

    /** What callers see of a user: neither hashes nor keys. */
    private function shown(array $user): array
    {
        $shown = array('id' => $this->accounts->id($user['number']));
        foreach (self::SHOWN as $name) {
            $shown[$name] = $user[$name];
        }
        return $shown;
    }
}
