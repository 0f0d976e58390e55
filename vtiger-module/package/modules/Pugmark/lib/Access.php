<?php
/** Who may call what: administrators only, and for passwords only those on a list kept on the server. */
final class PugmarkAccess
{
    /** The operations, with their HTTP method, and their parameters in the registered order. */
    const OPERATIONS = array(
        'pugmark.info' => array('GET', array()),
        'pugmark.user_find' => array('GET', array('userName' => 'string')),
        'pugmark.user_create' => array('POST', array('element' => 'encoded')),
        'pugmark.user_update' => array('POST', array('id' => 'string', 'element' => 'encoded')),
        'pugmark.user_password' => array('POST', array('id' => 'string', 'password' => 'string')),
        'pugmark.upsert' => array('POST', array('elementType' => 'string', 'reference' => 'string',
            'elements' => 'encoded', 'options' => 'encoded')),
        'pugmark.changes' => array('GET', array('elementType' => 'string', 'cursor' => 'string', 'limit' => 'string')),
        'pugmark.setup' => array('POST', array('options' => 'encoded')),
        'pugmark.webhook' => array('POST', array('options' => 'encoded')),
    );

    /** Operations that set a password. */
    const PASSWORDS = array('pugmark.user_create', 'pugmark.user_password');

    private $settings;

    public function __construct(PugmarkSettings $settings)
    {
        $this->settings = $settings;
    }

    /** @throws PugmarkRefused ACCESS_DENIED */
    public function demand(string $operation, bool $enabled, bool $administrator, string $caller): void
    {
        if (!$enabled) {
            throw new PugmarkRefused('ACCESS_DENIED', 'The Pugmark module is disabled');
        }
        if (!$administrator) {
            throw new PugmarkRefused('ACCESS_DENIED', 'Permission to perform the operation is denied');
        }
        if (in_array($operation, self::PASSWORDS, true) && !$this->maySetPasswords($caller)) {
            throw new PugmarkRefused('ACCESS_DENIED', 'This user is not on the list of callers that may set passwords');
        }
    }

    /** User names are compared as vTiger does: in any case. An empty list lets nobody through. */
    public function maySetPasswords(string $caller): bool
    {
        $names = array_map(array($this, 'folded'), $this->settings->items('password_callers'));
        return in_array($this->folded($caller), $names, true);
    }

    /** @return string[] the operations that this caller may use */
    public function operations(string $caller): array
    {
        $names = array_keys(self::OPERATIONS);
        return $this->maySetPasswords($caller) ? $names : array_values(array_diff($names, self::PASSWORDS));
    }

    private function folded(string $name): string
    {
        return mb_strtolower($name, 'UTF-8');
    }
}
