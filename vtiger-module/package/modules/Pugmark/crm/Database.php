<?php
/** The CRM's database. vTiger only logs a failed query; here it is an exception. */
final class PugmarkDatabase
{
    private $adb;

    public function __construct($adb)
    {
        $this->adb = $adb;
    }

    /** @return array[] rows, their values as stored (vTiger's default would encode them for HTML) */
    public function rows(string $sql, array $params = array()): array
    {
        $result = $this->run($sql, $params);
        $rows = array();
        while ($row = $this->adb->fetchByAssoc($result, -1, false)) {
            $rows[] = $row;
        }
        return $rows;
    }

    /** @return array|null */
    public function row(string $sql, array $params = array())
    {
        $rows = $this->rows($sql, $params);
        return $rows ? $rows[0] : null;
    }

    /** Executes a statement and gives vTiger's result. */
    public function run(string $sql, array $params = array())
    {
        $result = $this->adb->pquery($sql, $params);
        if ($result === false || $result === null) {
            // Without the parameters: they may hold what must not be seen.
            throw new RuntimeException('Query failed: ' . $sql);
        }
        return $result;
    }

    public function lastId(): int
    {
        $row = $this->row('SELECT LAST_INSERT_ID() AS id');
        return (int) $row['id'];
    }
}
