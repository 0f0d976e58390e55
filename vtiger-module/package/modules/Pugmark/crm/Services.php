<?php
require_once dirname(__DIR__) . '/lib/load.php';
require_once __DIR__ . '/Database.php';
require_once __DIR__ . '/Tables.php';

/** Puts the parts together inside vTiger. Files that load much of the CRM are loaded only where they are needed. */
final class PugmarkServices
{
    /** The same as in manifest.xml. */
    const VERSION = '1.0.0';

    public $database;
    public $settings;
    public $locks;
    public $outboxTable;

    private static $own = null;

    public function __construct()
    {
        global $application_unique_key;
        $this->database = new PugmarkDatabase(PearDatabase::getInstance());
        $this->settings = new PugmarkSettings(new PugmarkSqlSettings($this->database, (string) $application_unique_key));
        $this->locks = new PugmarkSqlLocks($this->database);
        $this->outboxTable = new PugmarkSqlOutbox($this->database);
    }

    /** One for the request. */
    public static function own(): self
    {
        if (self::$own === null) {
            self::$own = new self();
        }
        return self::$own;
    }

    public function isEnabled(): bool
    {
        require_once __DIR__ . '/Installer.php';
        return PugmarkInstaller::isEnabled($this->database);
    }

    public function installer(): PugmarkInstaller
    {
        require_once __DIR__ . '/Installer.php';
        return new PugmarkInstaller($this->database, $this->settings);
    }

    public function outbox(): PugmarkOutbox
    {
        return new PugmarkOutbox($this->outboxTable, $this->settings);
    }

    public function references(): PugmarkSqlReferences
    {
        return new PugmarkSqlReferences($this->database);
    }

    public function records($user): PugmarkCrmRecords
    {
        require_once __DIR__ . '/Records.php';
        return new PugmarkCrmRecords($this->database, $user);
    }

    public function upsert($user): PugmarkUpsert
    {
        return new PugmarkUpsert($this->records($user), $this->references(), $this->locks);
    }

    public function users(): PugmarkUsers
    {
        require_once __DIR__ . '/UserAccounts.php';
        return new PugmarkUsers(new PugmarkCrmUserAccounts($this->database), $this->references(), $this->locks,
            $this->settings);
    }

    public function fields(): PugmarkFields
    {
        require_once __DIR__ . '/CustomFields.php';
        return new PugmarkFields(new PugmarkCrmCustomFields($this->database), $this->settings, $this->locks);
    }

    public function receiver(): PugmarkReceiver
    {
        return new PugmarkReceiver($this->settings, function ($module) {
            return $this->database->row('SELECT tabid FROM vtiger_tab WHERE name = ? AND isentitytype = 1',
                array($module)) !== null;
        });
    }

    /** Gives a record's id, as the web service writes it, from module and number. */
    public function ids(): callable
    {
        require_once 'include/Webservices/Utils.php';
        return 'vtws_getWebserviceEntityId';
    }

    public function sender(): PugmarkSender
    {
        require_once __DIR__ . '/Http.php';
        $http = new PugmarkCurl($this->settings->count('webhook_timeout'));
        return new PugmarkSender($this->outboxTable, $this->settings, $this->locks, $http, new PugmarkSystemClock(),
            $this->ids());
    }

    /** What the cron task does. An error here must not end vTiger's other tasks. */
    public static function runCron(): void
    {
        try {
            $services = new self();
            if ($services->isEnabled()) {
                echo 'Pugmark outbox: ' . json_encode($services->sender()->run()) . "\n";
                $services->outbox()->trim();
            }
        } catch (Throwable $failure) {
            echo 'Pugmark outbox failed: ' . get_class($failure) . ' at ' . basename($failure->getFile()) . ':'
                . $failure->getLine() . "\n";
        }
    }
}
