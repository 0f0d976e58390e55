<?php
/** A vTiger under test: a web server on the loopback address, its database, and the extension's command line. */
final class Site
{
    public $tree;
    private $package;
    private $zip;
    private $server = null;
    private $port = 0;
    private $sessions = array();

    public function __construct(string $tree, string $package)
    {
        $this->tree = $tree;
        $this->package = $package;
        $this->zip = sys_get_temp_dir() . '/pugmark-test-' . getmypid() . '.zip';
    }

    /** The zip as the command that ships the extension makes it: the package folder's content at the root. */
    public function zip(): string
    {
        @unlink($this->zip);
        $zip = new ZipArchive();
        $zip->open($this->zip, ZipArchive::CREATE);
        $files = new RecursiveIteratorIterator(new RecursiveDirectoryIterator($this->package, FilesystemIterator::SKIP_DOTS));
        foreach ($files as $file) {
            $zip->addFile($file->getPathname(), substr($file->getPathname(), strlen($this->package) + 1));
        }
        $zip->close();
        return $this->zip;
    }

    /** Runs the extension's own command line. @return array exit code and output */
    public function command(array $arguments): array
    {
        $script = $this->package . '/modules/Pugmark/bin/pugmark.php';
        return $this->php(array_merge(array($script), $arguments, array('--crm', $this->tree)));
    }

    /** Runs PHP in the CRM's folder. @return array exit code and output */
    public function php(array $arguments): array
    {
        $line = implode(' ', array_map('escapeshellarg', array_merge(array(PHP_BINARY), $arguments)));
        exec('cd ' . escapeshellarg($this->tree) . " && $line 2>&1", $output, $code);
        return array($code, implode("\n", $output));
    }

    /** Runs the CRM's cron with our task alone: others may take minutes, or send what they find. @return string its output */
    public function cron(): string
    {
        $adb = PearDatabase::getInstance();
        $others = array_column($this->rows("SELECT id FROM vtiger_cron_task WHERE status <> 0 AND name <> 'Pugmark outbox'"), 'id');
        $adb->pquery("UPDATE vtiger_cron_task SET status = 0 WHERE name <> 'Pugmark outbox'", array());
        try {
            list($code, $output) = $this->php(array('vtigercron.php'));
            same(0, $code, $output);
            return $output;
        } finally {
            foreach ($others as $id) {
                $adb->pquery('UPDATE vtiger_cron_task SET status = 1 WHERE id = ?', array($id));
            }
        }
    }

    public function open(int $workers = 4): void
    {
        $probe = stream_socket_server('tcp://127.0.0.1:0');
        $this->port = (int) substr(strrchr(stream_socket_get_name($probe, false), ':'), 1);
        fclose($probe);
        $command = array(PHP_BINARY, '-d', 'display_errors=0', '-S', "127.0.0.1:$this->port", '-t', $this->tree);
        $environment = getenv();
        if ($workers > 1) {
            $environment['PHP_CLI_SERVER_WORKERS'] = (string) $workers;
        } else {
            unset($environment['PHP_CLI_SERVER_WORKERS']);
        }
        $this->server = proc_open(array_merge(array('setsid'), $command), array(array('file', '/dev/null', 'r'),
            array('file', '/dev/null', 'w'), array('file', '/dev/null', 'w')), $pipes, $this->tree, $environment);
        for ($try = 0; $try < 200 && !@fsockopen('127.0.0.1', $this->port); $try++) {
            usleep(25000);
        }
    }

    /** Ends the web server as a crash would. */
    public function kill(): void
    {
        if ($this->server) {
            $pid = proc_get_status($this->server)['pid'];
            // setsid made it the leader of a group that holds its workers.
            posix_kill(-$pid, SIGKILL);
            posix_kill($pid, SIGKILL);
            proc_close($this->server);
            $this->server = null;
        }
    }

    public function close(): void
    {
        $this->kill();
        @unlink($this->zip);
    }

    /** Calls an operation as a user; gives the decoded answer. */
    public function call(string $operation, array $parameters = array(), string $user = 'admin'): array
    {
        $answers = $this->together(array($this->request($operation, $parameters, $user)));
        return $answers[0];
    }

    /** The result of an operation that must succeed. */
    public function result(string $operation, array $parameters = array(), string $user = 'admin')
    {
        $answer = $this->call($operation, $parameters, $user);
        if (empty($answer['success'])) {
            throw new RuntimeException("$operation: " . json_encode($answer));
        }
        return $answer['result'];
    }

    /** The code of an operation that must fail. */
    public function code(string $operation, array $parameters = array(), string $user = 'admin'): string
    {
        $answer = $this->call($operation, $parameters, $user);
        return isset($answer['error']['code']) ? (string) $answer['error']['code'] : 'none: ' . json_encode($answer);
    }

    /** A request not sent yet. @return resource|CurlHandle */
    public function request(string $operation, array $parameters, string $user = 'admin')
    {
        $get = in_array($operation, array('pugmark.info', 'pugmark.user_find', 'pugmark.changes', 'query', 'retrieve',
            'describe', 'listtypes'), true);
        foreach ($parameters as $name => $value) {
            $parameters[$name] = is_array($value) ? json_encode($value ?: new stdClass()) : $value;
        }
        $parameters += array('operation' => $operation, 'sessionName' => $this->session($user));
        $url = "http://127.0.0.1:$this->port/webservice.php";
        $curl = curl_init($get ? $url . '?' . http_build_query($parameters) : $url);
        curl_setopt_array($curl, array(CURLOPT_RETURNTRANSFER => true, CURLOPT_TIMEOUT => 120)
            + ($get ? array() : array(CURLOPT_POSTFIELDS => http_build_query($parameters))));
        return $curl;
    }

    /** Sends requests at once; an answer that is no JSON comes as array(). */
    public function together(array $requests): array
    {
        $multi = curl_multi_init();
        foreach ($requests as $request) {
            curl_multi_add_handle($multi, $request);
        }
        do {
            curl_multi_exec($multi, $running);
            curl_multi_select($multi, 0.2);
        } while ($running);
        return array_map(function ($request) {
            return (array) json_decode((string) curl_multi_getcontent($request), true);
        }, $requests);
    }

    /** A session of the user; each parallel caller needs one of its own. */
    public function session(string $user): string
    {
        list($name) = explode('#', $user);
        if (!isset($this->sessions[$user])) {
            $key = $this->value('SELECT accesskey FROM vtiger_users WHERE user_name = ?', array($name));
            $url = "http://127.0.0.1:$this->port/webservice.php";
            $challenge = json_decode(file_get_contents("$url?operation=getchallenge&username=" . urlencode($name)), true);
            $login = stream_context_create(array('http' => array('method' => 'POST', 'header' => 'content-type: application/x-www-form-urlencoded',
                'content' => http_build_query(array('operation' => 'login', 'username' => $name,
                    'accessKey' => md5($challenge['result']['token'] . $key))))));
            $answer = json_decode(file_get_contents($url, false, $login), true);
            if (empty($answer['success'])) {
                throw new RuntimeException("Login of $name: " . json_encode($answer));
            }
            $this->sessions[$user] = $answer['result']['sessionName'];
        }
        return $this->sessions[$user];
    }

    public function rows(string $sql, array $parameters = array()): array
    {
        $adb = PearDatabase::getInstance();
        $result = $adb->pquery($sql, $parameters);
        if ($result === false) {
            throw new RuntimeException("Query failed: $sql");
        }
        $rows = array();
        while ($row = $adb->fetchByAssoc($result, -1, false)) {
            $rows[] = $row;
        }
        return $rows;
    }

    /** The first value of the first row. */
    public function value(string $sql, array $parameters = array())
    {
        $rows = $this->rows($sql, $parameters);
        return $rows ? current($rows[0]) : null;
    }

    /** Upserts contacts. */
    public function upsert(array $elements, array $options = array(), string $user = 'admin'): array
    {
        return $this->result('pugmark.upsert', array('elementType' => 'Contacts', 'reference' => 'cf_microbima_customer_id',
            'elements' => $elements, 'options' => $options), $user)['results'];
    }

    /** The live contacts of a reference, half-made ones not counted. */
    public function contacts(string $reference): array
    {
        return array_column($this->rows('SELECT c.contactid FROM vtiger_contactscf c JOIN vtiger_crmentity e ON e.crmid = c.contactid '
            . 'WHERE e.deleted = 0 AND c.cf_microbima_customer_id = ?', array($reference)), 'contactid');
    }
}

/** An element for a contact. */
function contact(string $reference, array $fields = array()): array
{
    return array('reference' => $reference, 'fields' => $fields + array('lastname' => 'Otieno'),
        'createOnly' => array('assigned_user_id' => '19x1'));
}

/** A prefix that no earlier run used. */
function fresh(string $what): string
{
    return $what . '-' . getmypid() . '-' . dechex(random_int(0, 0xffffff));
}
