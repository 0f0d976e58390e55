<?php
/** Our own tables, and the locks. */
final class PugmarkSqlSettings implements PugmarkSettingsTable
{
    private $database;
    private $key;

    /** @param string $key the CRM's application key from config.inc.php, under which secrets are sealed */
    public function __construct(PugmarkDatabase $database, string $key)
    {
        $this->database = $database;
        $this->key = hash('sha256', 'pugmark|' . $key, true);
    }

    public function all(): array
    {
        $values = array();
        foreach ($this->database->rows('SELECT name, value FROM vtiger_pugmark_settings') as $row) {
            $values[$row['name']] = $this->isSecret($row['name']) ? $this->open($row['value']) : (string) $row['value'];
        }
        return $values;
    }

    public function put(string $name, string $value): void
    {
        $stored = $this->isSecret($name) && $value !== '' ? $this->seal($value) : $value;
        $this->database->run('INSERT INTO vtiger_pugmark_settings (name, value) VALUES (?, ?) '
            . 'ON DUPLICATE KEY UPDATE value = VALUES(value)', array($name, $stored));
    }

    private function isSecret(string $name): bool
    {
        return isset(PugmarkSettings::KNOWN[$name]) && PugmarkSettings::KNOWN[$name][0] === 'secret';
    }

    /** Any account that can reach vTiger's query language can read tables; secrets are not there to be read. */
    private function seal(string $value): string
    {
        $nonce = random_bytes(12);
        $sealed = openssl_encrypt($value, 'aes-256-gcm', $this->key, OPENSSL_RAW_DATA, $nonce, $tag);
        return base64_encode($nonce . $tag . $sealed);
    }

    private function open($stored): string
    {
        $bytes = base64_decode((string) $stored, true);
        if ($bytes === false || strlen($bytes) < 29) {
            return '';
        }
        $opened = openssl_decrypt(substr($bytes, 28), 'aes-256-gcm', $this->key, OPENSSL_RAW_DATA, substr($bytes, 0, 12),
            substr($bytes, 12, 16));
        return $opened === false ? '' : $opened;
    }
}

final class PugmarkSqlReferences implements PugmarkReferenceTable
{
    private $database;

    public function __construct(PugmarkDatabase $database)
    {
        $this->database = $database;
    }

    public function find(string $module, string $reference)
    {
        $row = $this->database->row('SELECT state, crmid, after_crmid FROM vtiger_pugmark_references WHERE module = ? AND reference = ?',
            array($module, $reference));
        return $row === null ? null
            : array('state' => $row['state'], 'crmid' => $row['crmid'] === null ? null : (int) $row['crmid'],
                'after' => (int) $row['after_crmid']);
    }

    public function start(string $module, string $reference): void
    {
        $this->database->run("INSERT IGNORE INTO vtiger_pugmark_references (module, reference, state, started_at, after_crmid) "
            . "SELECT ?, ?, 'started', UTC_TIMESTAMP(), COALESCE(MAX(crmid), 0) FROM vtiger_crmentity", array($module, $reference));
    }

    public function finish(string $module, string $reference, int $crmid): void
    {
        $this->database->run("UPDATE vtiger_pugmark_references SET state = 'done', crmid = ? "
            . 'WHERE module = ? AND reference = ?', array($crmid, $module, $reference));
    }

    public function forget(string $module, string $reference): void
    {
        $this->database->run("DELETE FROM vtiger_pugmark_references WHERE module = ? AND reference = ? AND state = 'started'",
            array($module, $reference));
    }
}

final class PugmarkSqlOutbox implements PugmarkOutboxTable
{
    const COLUMNS = 'id, module, crmid, kind, happened_at, crm_user, detail, state, attempts, next_attempt, '
        . 'TIMESTAMPDIFF(SECOND, happened_at, UTC_TIMESTAMP()) AS age';

    private $database;

    public function __construct(PugmarkDatabase $database)
    {
        $this->database = $database;
    }

    public function add(array $row): int
    {
        $this->database->run('INSERT INTO vtiger_pugmark_outbox (module, crmid, kind, happened_at, crm_user, detail, state) '
            . 'VALUES (?, ?, ?, UTC_TIMESTAMP(), ?, ?, ?)', array($row['module'], $row['crmid'], $row['kind'],
            $row['crm_user'], json_encode((object) $row['detail']), $row['state']));
        return $this->database->lastId();
    }

    public function after(int $id, int $count): array
    {
        $rows = $this->database->rows('SELECT ' . self::COLUMNS . ' FROM vtiger_pugmark_outbox WHERE id > ? '
            . 'ORDER BY id LIMIT ' . $count, array($id));
        return array_map(array($this, 'read'), $rows);
    }

    public function head()
    {
        $row = $this->database->row('SELECT ' . self::COLUMNS . " FROM vtiger_pugmark_outbox WHERE state = 'waiting' "
            . 'ORDER BY id LIMIT 1');
        return $row === null ? null : $this->read($row);
    }

    public function newestAged(int $seconds): int
    {
        $row = $this->database->row('SELECT id FROM vtiger_pugmark_outbox '
            . 'WHERE happened_at <= UTC_TIMESTAMP() - INTERVAL ' . $seconds . ' SECOND ORDER BY id DESC LIMIT 1');
        return $row === null ? 0 : (int) $row['id'];
    }

    public function newest(): int
    {
        $row = $this->database->row('SELECT MAX(id) AS id FROM vtiger_pugmark_outbox');
        return (int) $row['id'];
    }

    public function mark(int $id, array $columns): void
    {
        $set = implode(', ', array_map(function ($name) {
            return "$name = ?";
        }, array_keys($columns)));
        $this->database->run("UPDATE vtiger_pugmark_outbox SET $set WHERE id = ?",
            array_merge(array_values($columns), array($id)));
    }

    public function removeUpTo(int $id): void
    {
        $this->database->run('DELETE FROM vtiger_pugmark_outbox WHERE id <= ?', array($id));
    }

    public function counts(): array
    {
        $counts = array();
        foreach ($this->database->rows('SELECT state, COUNT(*) AS n FROM vtiger_pugmark_outbox GROUP BY state') as $row) {
            $counts[$row['state']] = (int) $row['n'];
        }
        return $counts;
    }

    private function read(array $row): array
    {
        return array('id' => (int) $row['id'], 'module' => $row['module'], 'crmid' => (int) $row['crmid'],
            'kind' => $row['kind'], 'at' => $row['happened_at'], 'age' => (int) $row['age'],
            'crm_user' => $row['crm_user'] === null ? null : (int) $row['crm_user'],
            'detail' => (array) json_decode((string) $row['detail'], true), 'state' => $row['state'],
            'attempts' => (int) $row['attempts'], 'next_attempt' => $row['next_attempt']);
    }
}

final class PugmarkSqlLocks implements PugmarkLocks
{
    private $database;
    private $held = array();

    public function __construct(PugmarkDatabase $database)
    {
        $this->database = $database;
        // Connections may outlive a request that PHP cut off, and locks live as long as their connection.
        register_shutdown_function(array($this, 'releaseAll'));
    }

    public function take(string $name, int $seconds): bool
    {
        $row = $this->database->row('SELECT GET_LOCK(' . $this->named() . ', ?) AS had', array($this->digest($name), $seconds));
        $had = (string) $row['had'] === '1';
        if ($had) {
            $this->held[$name] = true;
        }
        return $had;
    }

    public function release(string $name): void
    {
        unset($this->held[$name]);
        $this->database->rows('SELECT RELEASE_LOCK(' . $this->named() . ') AS gone', array($this->digest($name)));
    }

    public function releaseAll(): void
    {
        foreach (array_keys($this->held) as $name) {
            try {
                $this->release($name);
            } catch (Throwable $gone) {
                // The connection went away, and its locks with it.
            }
        }
    }

    /** Locks are the database server's, which several CRMs may share; MySQL allows 64 characters. */
    private function named(): string
    {
        return "CONCAT('pugmark', MD5(CONCAT(DATABASE(), ?)))";
    }

    private function digest(string $name): string
    {
        return '|' . hash('sha256', $name);
    }
}
