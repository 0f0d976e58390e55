<?php
final class OutboxCase
{
    public $world;
    public $table;
    public $settings;
    public $outbox;

    public function __construct(array $settings = array())
    {
        $this->world = new World();
        $this->table = new MemoryOutbox($this->world);
        $this->settings = new PugmarkSettings(new MemorySettings($settings));
        $this->outbox = new PugmarkOutbox($this->table, $this->settings);
    }

    public function record(int $crmid, string $kind = 'updated', string $module = 'Contacts'): void
    {
        $this->outbox->record($module, $crmid, $kind, 1);
    }

    public function changes(string $cursor, string $limit = '', string $module = 'Contacts'): array
    {
        return $this->outbox->changes($module, $cursor, $limit, function ($module, $crmid) {
            return '12x' . $crmid;
        });
    }

    /** What a reader who keeps its cursor has seen, until there is no more. */
    public function readAll(string &$cursor, string $limit = ''): array
    {
        $seen = array();
        do {
            $page = $this->changes($cursor, $limit);
            $cursor = $page['cursor'];
            $seen = array_merge($seen, array_column($page['changes'], 'id'));
        } while ($page['more']);
        return $seen;
    }
}

test('Only changes of watched modules are written down', function () {
    $case = new OutboxCase(array('modules' => 'Contacts'));
    $case->record(1);
    $case->record(2, 'updated', 'Emails');
    same(array(1), array_column($case->table->rows, 'crmid'));
});
test('Changes come in order with kind and time, and the cursor goes on from there', function () {
    $case = new OutboxCase();
    $case->record(1, 'created');
    $case->record(9, 'created', 'Leads');
    $case->record(1, 'deleted');
    $page = $case->changes('0');
    same(array('changes' => array(array('id' => '12x1', 'kind' => 'created', 'at' => '2026-01-01 00:00:00'),
        array('id' => '12x1', 'kind' => 'deleted', 'at' => '2026-01-01 00:00:00')), 'cursor' => '3', 'more' => false), $page);
    $case->record(2, 'restored');
    same(array('restored'), array_column($case->changes($page['cursor'])['changes'], 'kind'));
});
test('An empty cursor starts now', function () {
    $case = new OutboxCase();
    $case->record(1);
    $page = $case->changes('');
    same(array('changes' => array(), 'cursor' => '1', 'more' => false), $page);
    $case->record(2);
    same(array('12x2'), array_column($case->changes($page['cursor'])['changes'], 'id'));
});
test('An empty outbox has a cursor too, and what comes later is found with it', function () {
    $case = new OutboxCase();
    $cursor = $case->changes('')['cursor'];
    same('0', $cursor);
    $case->record(1);
    same(array('12x1'), $case->readAll($cursor));
});
test('Pages of any size show every change once', function () {
    $case = new OutboxCase();
    for ($number = 1; $number <= 23; $number++) {
        $case->record($number);
        $case->record(1000 + $number, 'updated', 'Leads');
    }
    foreach (array('1', '5', '23', '500') as $limit) {
        $cursor = '0';
        same(23, count(array_unique($case->readAll($cursor, $limit))), "pages of $limit");
        same(array(), $case->readAll($cursor, $limit));
    }
});
test('A long stretch of other modules is passed over in steps', function () {
    $case = new OutboxCase();
    for ($number = 1; $number <= 2500; $number++) {
        $case->record($number, 'updated', 'Leads');
    }
    $case->record(1);
    $first = $case->changes('0');
    same(array(array(), '2000', true), array($first['changes'], $first['cursor'], $first['more']));
    $cursor = '0';
    same(array('12x1'), $case->readAll($cursor));
});
test('A save that is committed later than one begun after it is not missed', function () {
    $case = new OutboxCase();
    $case->record(1);
    $late = $case->table->reserve();
    $case->record(3);
    $cursor = '0';
    same(array('12x1'), $case->readAll($cursor), 'reading stops at the gap');
    same('1', $case->changes('')['cursor'], 'and so does now');
    $case->table->commit($late, array('module' => 'Contacts', 'crmid' => 2, 'kind' => 'updated', 'crm_user' => 1,
        'detail' => array(), 'state' => 'kept'));
    same(array('12x2', '12x3'), $case->readAll($cursor));
});
test('A gap that nobody fills holds readers up for a minute only', function () {
    $case = new OutboxCase();
    $case->record(1);
    $case->table->reserve();
    $case->record(3);
    $case->world->now += PugmarkOutbox::SETTLED;
    $cursor = '0';
    same(array('12x1', '12x3'), $case->readAll($cursor));
    same('3', $case->changes('')['cursor']);
});
test('A cursor older than what is kept, or from another outbox, has expired', function () {
    $case = new OutboxCase(array('outbox_rows' => '5'));
    for ($number = 1; $number <= 20; $number++) {
        $case->record($number);
    }
    $case->outbox->trim();
    same(range(16, 20), array_keys($case->table->rows));
    foreach (array('3', '14', '21') as $cursor) {
        refused('CURSOR_EXPIRED', function () use ($case, $cursor) {
            $case->changes($cursor);
        });
    }
    same(5, count($case->changes('15')['changes']));
    same(5, count($case->changes('0')['changes']));
});
test('Old rows are removed but never the newest', function () {
    $case = new OutboxCase(array('outbox_days' => '30'));
    $case->record(1);
    $case->record(2);
    $case->world->now += 31 * 86400;
    $case->outbox->trim();
    same(array(2), array_keys($case->table->rows));
    $cursor = '2';
    $case->record(3);
    same(array('12x3'), $case->readAll($cursor));
});
test('The outbox stays within its bound without cron', function () {
    $case = new OutboxCase(array('outbox_rows' => '100'));
    for ($number = 1; $number <= 3000; $number++) {
        $case->record($number);
    }
    holds(count($case->table->rows) <= 1100, 'it holds its bound and what one trim apart brings');
});
test('A module that is not watched, a wrong cursor and a wrong limit are refused', function () {
    $case = new OutboxCase();
    refused('MODULE_NOT_WATCHED', function () use ($case) {
        $case->changes('0', '', 'Accounts');
    });
    foreach (array(array('x', ''), array('-1', ''), array('0', '0'), array('0', '501'), array('0', 'ten')) as $pair) {
        refused('INVALID_INPUT', function () use ($case, $pair) {
            $case->changes($pair[0], $pair[1]);
        });
    }
});
test('A change waits to be sent only where sending is on for its module', function () {
    $case = new OutboxCase(array('webhook_enabled' => '1', 'webhook_modules' => 'Leads'));
    $case->record(1);
    $case->record(2, 'updated', 'Leads');
    same(array('kept', 'waiting'), array_values(array_column($case->table->rows, 'state')));
});
