<?php
final class SenderCase
{
    const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

    public $world;
    public $table;
    public $settings;
    public $locks;
    public $http;
    public $outbox;

    public function __construct(array $settings = array())
    {
        $this->world = new World();
        $this->table = new MemoryOutbox($this->world);
        $this->settings = new PugmarkSettings(new MemorySettings($settings + array('webhook_enabled' => '1',
            'webhook_url' => 'https://example.com/hook', 'webhook_secret' => self::SECRET, 'installation' => 'i1',
            'webhook_modules' => 'Contacts,Leads')));
        $this->locks = new MemoryLocks();
        $this->http = new ScriptedHttp($this->world);
        $this->outbox = new PugmarkOutbox($this->table, $this->settings);
    }

    public function record(int $crmid, string $kind = 'updated', string $module = 'Contacts', array $detail = array()): void
    {
        $this->outbox->record($module, $crmid, $kind, 5, $detail);
    }

    public function run(): array
    {
        return (new PugmarkSender($this->table, $this->settings, $this->locks, $this->http, new WorldClock($this->world),
            function ($module, $number) {
                $prefixes = array('Contacts' => 12, 'Leads' => 10, 'Users' => 19, 'Accounts' => 11, 'Potentials' => 13);
                return $prefixes[$module] . 'x' . $number;
            }))->run();
    }

    /** The records of the requests made, in order. */
    public function sent(): array
    {
        return array_map(function ($request) {
            return json_decode($request['body'], true)['data']['id'];
        }, $this->http->requests);
    }
}

test('The signature is the one of the Standard Webhooks specification', function () {
    // The example of the specification's own libraries.
    same('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=', PugmarkWebhook::signature(SenderCase::SECRET,
        'msg_p5jXN8AQM9LWM0D4loKWxJek', 1614265330, '{"test": 2432232314}'));
});
test('A message carries id, type, time and data, and is signed over exactly what is sent', function () {
    $case = new SenderCase();
    $case->record(34, 'created');
    $case->run();
    $request = $case->http->requests[0];
    same('https://example.com/hook', $request['url']);
    same('{"id":"msg_i1_1","type":"record.created","timestamp":"2026-01-01T00:00:00Z","data":{"module":"Contacts","id":"12x34","crm_user":"19x5"}}',
        $request['body']);
    $signature = PugmarkWebhook::signature(SenderCase::SECRET, 'msg_i1_1', 1767225600, $request['body']);
    foreach (array('webhook-id: msg_i1_1', 'webhook-timestamp: 1767225600', "webhook-signature: $signature",
        'content-type: application/json') as $header) {
        holds(in_array($header, $request['headers'], true), $header);
    }
});
test('A converted lead tells what it became', function () {
    $case = new SenderCase();
    $case->record(5, 'converted', 'Leads', array('contact' => 34, 'account' => 7));
    $case->run();
    $body = json_decode($case->http->requests[0]['body'], true);
    same('lead.converted', $body['type']);
    same(array('module' => 'Leads', 'id' => '10x5', 'contact' => '12x34', 'account' => '11x7'), $body['data']);
});
test('Each kind of change has its type', function () {
    $case = new SenderCase();
    foreach (array('created', 'updated', 'deleted', 'restored') as $kind) {
        $case->record(1, $kind);
    }
    same(4, $case->run()['sent']);
    same(array('record.created', 'record.updated', 'record.deleted', 'record.restored'), array_map(function ($request) {
        return json_decode($request['body'], true)['type'];
    }, $case->http->requests));
});
test('Messages go out in order, each once', function () {
    $case = new SenderCase();
    foreach (array(3, 1, 2) as $crmid) {
        $case->record($crmid);
    }
    same(3, $case->run()['sent']);
    same(array('12x3', '12x1', '12x2'), $case->sent());
    same(0, $case->run()['sent']);
    same(3, count($case->http->requests));
});
test('A message that fails holds back those after it until it is delivered', function () {
    $case = new SenderCase();
    $case->record(1);
    $case->record(2);
    $case->http->answers = array(503);
    same(array('sent' => 0, 'given_up' => 0, 'failed' => 1), $case->run());
    same(array('sent' => 0, 'given_up' => 0, 'failed' => 0), $case->run(), 'not before its time');
    $case->world->now += PugmarkSender::FIRST_PAUSE;
    same(2, $case->run()['sent']);
    same(array('12x1', '12x1', '12x2'), $case->sent());
});
test('A retry has the same id and body, and a new time', function () {
    $case = new SenderCase();
    $case->record(1);
    $case->http->answers = array(0);
    $case->run();
    $case->world->now += 3600;
    $case->run();
    list($first, $second) = $case->http->requests;
    same($first['body'], $second['body']);
    same(array('webhook-id: msg_i1_1'), array_values(array_intersect($first['headers'], preg_grep('/webhook-id/', $second['headers']))));
    holds(in_array('webhook-timestamp: 1767229200', $second['headers'], true), 'the time is that of the attempt');
});
test('Pauses double and stop growing at an hour', function () {
    same(array(30, 60, 120, 240, 480, 960, 1920, 3600, 3600), array_map('PugmarkSender::pause', range(1, 9)));
    same(3600, PugmarkSender::pause(500));
});
test('A receiver that is down is tried until it is back, however often', function () {
    $case = new SenderCase(array('webhook_attempts' => '2'));
    $case->record(1);
    $case->http->answers = array(503, 0, 429, 408, 500, 502);
    for ($turn = 0; $turn < 7; $turn++) {
        $case->run();
        $case->world->now += 3600;
    }
    same('sent', $case->table->rows[1]['state']);
    same(7, $case->table->rows[1]['attempts']);
});
test('A message that the receiver refuses is given up after its attempts, and the next one goes', function () {
    $case = new SenderCase(array('webhook_attempts' => '3'));
    $case->record(1);
    $case->record(2);
    $case->http->answers = array(400, 400, 404);
    $case->run();
    $case->world->now += 3600;
    $case->run();
    $case->world->now += 3600;
    same(array('sent' => 1, 'given_up' => 1, 'failed' => 0), $case->run());
    same(array('given_up', 'sent'), array_values(array_column($case->table->rows, 'state')));
});
test('A redirect is not an answer', function () {
    $case = new SenderCase();
    $case->record(1);
    $case->http->answers = array(302);
    same(1, $case->run()['failed']);
});
test('What could not be sent for days is given up', function () {
    $case = new SenderCase(array('webhook_hours' => '72'));
    $case->record(1);
    $case->world->now += 73 * 3600;
    $case->record(2);
    same(array('sent' => 1, 'given_up' => 1, 'failed' => 0), $case->run());
    same(array('12x2'), $case->sent());
});
test('A module that was switched off is not sent any more', function () {
    $case = new SenderCase();
    $case->record(1);
    $case->record(2, 'updated', 'Leads');
    $case->settings->put('webhook_modules', 'Leads');
    same(array('sent' => 1, 'given_up' => 1, 'failed' => 0), $case->run());
    same(array('10x2'), $case->sent());
});
test('Nothing is sent while sending is off, and what waited goes when it is on again', function () {
    $case = new SenderCase();
    $case->record(1);
    $case->settings->put('webhook_enabled', '0');
    same(0, $case->run()['sent']);
    $case->settings->put('webhook_enabled', '1');
    same(1, $case->run()['sent']);
});
test('One run sends no more than its batch and lasts no longer than its time', function () {
    $case = new SenderCase(array('webhook_batch' => '3', 'webhook_seconds' => '50'));
    for ($number = 1; $number <= 10; $number++) {
        $case->record($number);
    }
    same(3, $case->run()['sent']);
    $case->settings->put('webhook_batch', '100');
    $case->http->seconds = 20;
    same(3, $case->run()['sent'], 'three times twenty seconds');
});
test('Two runs at once do not send twice', function () {
    $case = new SenderCase();
    $case->record(1);
    $case->locks->foreign = array('sender');
    same(0, $case->run()['sent']);
    same(array(), $case->http->requests);
    $case->locks->foreign = array();
    $case->run();
    same(array(), $case->locks->held);
});
test('A sender killed after sending sends the same message again', function () {
    $case = new SenderCase();
    $case->record(1);
    $case->world->dieAfter = 'post';
    try {
        $case->run();
        holds(false, 'it was killed');
    } catch (Killed $gone) {
        $case->world->restart();
    }
    same(1, $case->run()['sent']);
    same($case->http->requests[0]['body'], $case->http->requests[1]['body']);
});
if (!function_exists('pcntl_fork') || !function_exists('curl_init')) {
    echo "Not run: the real sender (PHP without curl or pcntl)\n";
    return;
}
test('The real sender gets the status of an answer, follows no redirect, and 0 where nobody listens', function () {
    require_once dirname(__DIR__, 2) . '/package/modules/Pugmark/crm/Http.php';
    $server = stream_socket_server('tcp://127.0.0.1:0');
    $address = stream_socket_get_name($server, false);
    $child = pcntl_fork();
    if ($child === 0) {
        $connection = stream_socket_accept($server, 10);
        $seen = '';
        while (strpos($seen, '{"a":1}') === false && !feof($connection)) {
            $seen .= fread($connection, 8192);
        }
        $status = strpos($seen, "webhook-id: m1\r\n") !== false ? '302 Found' : '400 Bad Request';
        fwrite($connection, "HTTP/1.1 $status\r\nlocation: http://$address/other\r\ncontent-length: 2\r\n\r\nno");
        fclose($connection);
        posix_kill(getmypid(), SIGKILL);
    }
    fclose($server);
    $http = new PugmarkCurl(5);
    same(302, $http->post("http://$address/hook", array('webhook-id: m1'), '{"a":1}'));
    pcntl_waitpid($child, $status);
    same(0, $http->post("http://$address/hook", array(), '{}'));
});
