<?php
require_once 'modules/Users/Users.php';
require_once 'include/Webservices/Utils.php';

final class PugmarkCrmUserAccounts implements PugmarkUserAccounts
{
    const SELECT = 'SELECT u.id, u.user_name, u.email1, u.status, u.first_name, u.last_name, r.roleid FROM vtiger_users u '
        . 'LEFT JOIN vtiger_user2role r ON r.userid = u.id WHERE u.deleted = 0 AND ';

    private $database;

    public function __construct(PugmarkDatabase $database)
    {
        $this->database = $database;
    }

    public function named(string $userName): array
    {
        $rows = $this->database->rows(self::SELECT . 'u.user_name = ? ORDER BY u.id', array($userName));
        return array_map(array($this, 'read'), $rows);
    }

    public function find(int $number)
    {
        $row = $this->database->row(self::SELECT . 'u.id = ?', array($number));
        return $row === null ? null : $this->read($row);
    }

    public function role(string $idOrName)
    {
        $row = $this->database->row('SELECT roleid FROM vtiger_role WHERE roleid = ?', array($idOrName));
        if ($row === null) {
            $rows = $this->database->rows('SELECT roleid FROM vtiger_role WHERE rolename = ?', array($idOrName));
            $row = count($rows) === 1 ? $rows[0] : null;
        }
        return $row === null ? null : $row['roleid'];
    }

    public function passwordPattern(): string
    {
        global $validation_regex;
        // Applied as vTiger applies it.
        return empty($validation_regex['password_regex']) ? '' : '/' . $validation_regex['password_regex'] . '/i';
    }

    public function create(array $fields): int
    {
        global $default_language;
        $user = CRMEntity::getInstance('Users');
        $user->column_fields['language'] = empty($default_language) ? 'en_us' : $default_language;
        $user->column_fields['is_admin'] = 'off';
        // As in the CRM's own form; without it this user's decimals are cut to whole numbers.
        $user->column_fields['no_of_currency_decimals'] = '2';
        $user->column_fields['status'] = 'Active';
        $user->column_fields['confirm_password'] = $fields['user_password'];
        foreach ($fields as $name => $value) {
            $user->column_fields[$name] = $value;
        }
        $user->mode = '';
        $user->save('Users');
        return (int) $user->id;
    }

    public function change(int $number, array $fields): void
    {
        $user = $this->loaded($number);
        foreach ($fields as $name => $value) {
            $user->column_fields[$name] = $value;
        }
        $user->mode = 'edit';
        $user->save('Users');
    }

    public function setPassword(int $number, string $password): void
    {
        // The caller is an administrator, so vTiger asks for no old password.
        if ($this->loaded($number)->change_password('', $password, false) !== true) {
            throw new RuntimeException('The CRM did not set the password');
        }
    }

    public function id(int $number): string
    {
        return vtws_getWebserviceEntityId('Users', $number);
    }

    private function loaded(int $number)
    {
        $user = new Users();
        $user->id = $number;
        $user->retrieve_entity_info($number, 'Users');
        return $user;
    }

    private function read(array $row): array
    {
        $user = array('number' => (int) $row['id']);
        foreach (PugmarkUsers::SHOWN as $name) {
            $user[$name] = decode_html((string) $row[$name]);
        }
        return $user;
    }
}
