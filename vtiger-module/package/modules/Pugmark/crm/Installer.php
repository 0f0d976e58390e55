<?php
require_once 'include/Webservices/Utils.php';
require_once 'include/events/include.inc';
require_once 'vtlib/Vtiger/Module.php';
require_once 'vtlib/Vtiger/Cron.php';
require_once 'vtlib/Vtiger/Link.php';

/** Makes and removes what the extension adds to the CRM. Everything can be repeated. */
final class PugmarkInstaller
{
    const HANDLER = 'PugmarkOutboxHandler';
    const HANDLER_PATH = 'modules/Pugmark/OutboxHandler.php';
    const EVENTS = array('vtiger.entity.aftersave', 'vtiger.entity.afterdelete', 'vtiger.entity.afterrestore',
        'vtiger.lead.convertlead');
    const CRON = 'Pugmark outbox';
    const CRON_PATH = 'cron/modules/Pugmark/Outbox.service';
    const LINK = 'Open customer';
    const LINK_URL = 'index.php?module=Pugmark&action=OpenCustomer&record=$RECORD$';

    const TABLES = array(
        'vtiger_pugmark_settings' => '(name VARCHAR(50) NOT NULL PRIMARY KEY, value TEXT)',
        'vtiger_pugmark_references' => "(module VARCHAR(50) CHARACTER SET ascii NOT NULL,
            reference VARCHAR(128) CHARACTER SET utf8 COLLATE utf8_bin NOT NULL,
            state VARCHAR(8) CHARACTER SET ascii NOT NULL, crmid INT(19) NULL, started_at DATETIME NOT NULL,
            after_crmid INT(19) NOT NULL,
            PRIMARY KEY (module, reference), KEY crmid (crmid))",
        'vtiger_pugmark_outbox' => '(id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
            module VARCHAR(50) NOT NULL, crmid INT(19) NOT NULL, kind VARCHAR(10) NOT NULL, happened_at DATETIME NOT NULL,
            crm_user INT(19) NULL, detail VARCHAR(255) NOT NULL, state VARCHAR(8) NOT NULL, attempts INT NOT NULL DEFAULT 0,
            next_attempt DATETIME NULL, last_answer VARCHAR(50) NULL, KEY waiting (state, id))',
    );

    private $database;
    private $settings;

    public function __construct(PugmarkDatabase $database, PugmarkSettings $settings)
    {
        $this->database = $database;
        $this->settings = $settings;
    }

    public function install(): void
    {
        foreach (self::TABLES as $table => $columns) {
            $this->database->run("CREATE TABLE IF NOT EXISTS $table $columns ENGINE=InnoDB DEFAULT CHARSET=utf8");
        }
        if ($this->settings->text('installation') === '') {
            $this->settings->keep('installation', bin2hex(random_bytes(8)));
        }
        $this->operations();
        $this->handlers(true);
        $this->cron(true);
        Vtiger_Link::addLink(getTabid('Contacts'), 'DETAILVIEWBASIC', self::LINK, self::LINK_URL, '', 0,
            array('path' => 'modules/Pugmark/CustomerLink.php', 'class' => 'PugmarkCustomerLink', 'method' => 'isShown'));
    }

    /** Switches event handlers and cron; operations look at the module's own state. */
    public function enable(bool $on): void
    {
        $this->handlers($on);
        $this->cron($on);
    }

    /** Removes everything but the files and the custom fields. */
    public function remove(): void
    {
        $manager = new VTEventsManager(PearDatabase::getInstance());
        $manager->unregisterHandler(self::HANDLER);
        Vtiger_Cron::deregister(self::CRON);
        Vtiger_Link::deleteLink(getTabid('Contacts'), 'DETAILVIEWBASIC', self::LINK);
        foreach ($this->registered() as $row) {
            $this->unregister((int) $row['operationid']);
        }
        foreach (array_keys(self::TABLES) as $table) {
            $this->database->run("DROP TABLE IF EXISTS $table");
        }
    }

    public static function isEnabled(PugmarkDatabase $database): bool
    {
        $row = $database->row("SELECT presence FROM vtiger_tab WHERE name = 'Pugmark'");
        return $row !== null && (int) $row['presence'] !== 1;
    }

    private function handlers(bool $on): void
    {
        $manager = new VTEventsManager(PearDatabase::getInstance());
        foreach (self::EVENTS as $event) {
            $manager->registerHandler($event, self::HANDLER_PATH, self::HANDLER);
        }
        $on ? $manager->setHandlerActive(self::HANDLER) : $manager->setHandlerInActive(self::HANDLER);
    }

    private function cron(bool $on): void
    {
        if (!Vtiger_Cron::getInstance(self::CRON)) {
            // 60 seconds is vTiger's word for "at every run of the system's cron".
            Vtiger_Cron::register(self::CRON, self::CRON_PATH, 60, 'Pugmark', 1, 0, 'Sends the outbox of the Pugmark extension');
        }
        $this->database->run('UPDATE vtiger_cron_task SET status = ? WHERE name = ?', array($on ? 1 : 0, self::CRON));
    }

    private function operations(): void
    {
        $registered = $this->registered();
        foreach (PugmarkAccess::OPERATIONS as $name => $wanted) {
            $function = str_replace('.', '_', $name);
            if (isset($registered[$name])) {
                if ($this->isAsWanted($registered[$name], $function, $wanted)) {
                    continue;
                }
                $this->unregister((int) $registered[$name]['operationid']);
            }
            $id = vtws_addWebserviceOperation($name, 'modules/Pugmark/api.php', $function, $wanted[0]);
            $sequence = 1;
            foreach ($wanted[1] as $parameter => $type) {
                vtws_addWebserviceOperationParam($id, $parameter, $type, $sequence++);
            }
        }
    }

    private function isAsWanted(array $row, string $function, array $wanted): bool
    {
        $parameters = array();
        foreach ($this->database->rows('SELECT name, type FROM vtiger_ws_operation_parameters WHERE operationid = ? '
            . 'ORDER BY sequence', array($row['operationid'])) as $parameter) {
            $parameters[$parameter['name']] = $parameter['type'];
        }
        return $row['handler_method'] === $function && $row['handler_path'] === 'modules/Pugmark/api.php'
            && $row['type'] === $wanted[0] && $parameters === $wanted[1];
    }

    /** @return array[] our operations by name */
    private function registered(): array
    {
        $rows = $this->database->rows("SELECT * FROM vtiger_ws_operation WHERE name LIKE 'pugmark.%'");
        return array_column($rows, null, 'name');
    }

    private function unregister(int $operation): void
    {
        $this->database->run('DELETE FROM vtiger_ws_operation_parameters WHERE operationid = ?', array($operation));
        $this->database->run('DELETE FROM vtiger_ws_operation WHERE operationid = ?', array($operation));
    }
}
