<?php
/** The extension's settings: each known by name, with a default and a check. */
final class PugmarkSettings
{
    /** name => array(kind, default, what it is). Kinds: text, list, flag, count, secret. */
    const KNOWN = array(
        'modules' => array('list', 'Contacts,Leads', 'modules whose changes are written to the outbox'),
        'password_callers' => array('list', '', 'user names that may create users and set passwords'),
        'shortest_password' => array('count', '6', 'characters that a password has at least'),
        'reference_field' => array('text', 'cf_microbima_customer_id', 'field that holds our reference'),
        'customer_url' => array('text', '', 'address of a customer, with {reference} where our reference goes'),
        'webhook_enabled' => array('flag', '0', 'whether the cron task sends the outbox'),
        'webhook_url' => array('text', '', 'where to'),
        'webhook_modules' => array('list', '', 'modules whose changes are sent'),
        'webhook_secret' => array('secret', '', 'whsec_ and the base64 of 24 to 64 bytes'),
        'webhook_batch' => array('count', '200', 'messages sent in one run at most'),
        'webhook_seconds' => array('count', '50', 'seconds that one run lasts at most'),
        'webhook_timeout' => array('count', '10', 'seconds that one request lasts at most'),
        'webhook_attempts' => array('count', '8', 'attempts for a message that the receiver refuses'),
        'webhook_hours' => array('count', '72', 'hours after which a message that could not be sent is given up'),
        'outbox_rows' => array('count', '100000', 'rows that the outbox keeps at most'),
        'outbox_days' => array('count', '30', 'days that the outbox keeps a row'),
    );

    /** Kept beside them, not to be set by hand. */
    const OWN = array('installation', 'outbox_removed_to');

    private $table;
    private $values = null;

    public function __construct(PugmarkSettingsTable $table)
    {
        $this->table = $table;
    }

    public function text(string $name): string
    {
        $values = $this->values();
        if (isset($values[$name])) {
            return $values[$name];
        }
        return isset(self::KNOWN[$name]) ? self::KNOWN[$name][1] : '';
    }

    /** @return string[] */
    public function items(string $name): array
    {
        return array_values(array_filter(array_map('trim', explode(',', $this->text($name))), 'strlen'));
    }

    public function flag(string $name): bool
    {
        return $this->text($name) === '1';
    }

    public function count(string $name): int
    {
        return (int) $this->text($name);
    }

    /** Sets a setting after checking it. @throws PugmarkRefused INVALID_INPUT */
    public function put(string $name, string $value): void
    {
        if (!isset(self::KNOWN[$name])) {
            throw new PugmarkRefused('INVALID_INPUT', "There is no setting $name");
        }
        $this->check($name, self::KNOWN[$name][0], $value);
        $this->keep($name, $value);
    }

    /** Sets several, or none if one is wrong. @param array $values name => text */
    public function putAll(array $values): void
    {
        foreach ($values as $name => $value) {
            $this->check($name, self::KNOWN[$name][0], $value);
        }
        foreach ($values as $name => $value) {
            $this->put($name, $value);
        }
    }

    /** Stores what the extension itself keeps. */
    public function keep(string $name, string $value): void
    {
        $this->table->put($name, $value);
        $this->values = null;
    }

    /** Forgets what was read, for processes that live long. */
    public function reload(): void
    {
        $this->values = null;
    }

    private function values(): array
    {
        if ($this->values === null) {
            $this->values = $this->table->all();
        }
        return $this->values;
    }

    private function check(string $name, string $kind, string $value): void
    {
        if ($kind === 'flag' && $value !== '0' && $value !== '1') {
            throw new PugmarkRefused('INVALID_INPUT', "$name must be 0 or 1");
        }
        if ($kind === 'count' && !preg_match('/^[1-9][0-9]{0,8}$/D', $value)) {
            throw new PugmarkRefused('INVALID_INPUT', "$name must be a whole number from 1");
        }
        if ($kind === 'secret' && $value !== '') {
            PugmarkWebhook::key($value);
        }
        if (in_array($name, array('webhook_url', 'customer_url'), true) && $value !== '') {
            $this->checkAddress($name, $value);
        }
        if ($name === 'customer_url' && $value !== '' && strpos($value, '{reference}') === false) {
            throw new PugmarkRefused('INVALID_INPUT', 'customer_url must hold {reference}');
        }
    }

    private function checkAddress(string $name, string $value): void
    {
        $parts = parse_url(str_replace('{reference}', 'x', $value));
        $scheme = isset($parts['scheme']) ? strtolower($parts['scheme']) : '';
        $bad = preg_match('/[\s\x00-\x1f]/', $value) || isset($parts['user']) || isset($parts['pass']);
        if ($bad || empty($parts['host']) || !in_array($scheme, array('http', 'https'), true)) {
            throw new PugmarkRefused('INVALID_INPUT', "$name must be an http or https address without user and password");
        }
    }
}
