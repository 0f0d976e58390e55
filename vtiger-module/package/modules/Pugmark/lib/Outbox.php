<?php
/**
 * The outbox: what happened to the records of the watched modules, in order.
 *
 * Row numbers are given out before the save that they belong to is committed, so a row can appear below one already
 * read. Readers therefore stop at a gap in the numbers until the row above it is old enough that nothing can appear
 * in the gap any more.
 */
final class PugmarkOutbox
{
    /** Seconds after which a gap is taken for a save that was rolled back. */
    const SETTLED = 60;

    const MOST = 500;

    /** Rows looked at in one read, of whatever module. */
    const LOOKED_AT = 2000;

    private $table;
    private $settings;

    public function __construct(PugmarkOutboxTable $table, PugmarkSettings $settings)
    {
        $this->table = $table;
        $this->settings = $settings;
    }

    /** Writes down a change, if its module is watched. @param array $detail other records' numbers, by name */
    public function record(string $module, int $crmid, string $kind, $crmUser, array $detail = array()): void
    {
        if (!in_array($module, $this->settings->items('modules'), true)) {
            return;
        }
        $waits = $this->settings->flag('webhook_enabled')
            && in_array($module, $this->settings->items('webhook_modules'), true);
        $id = $this->table->add(array('module' => $module, 'crmid' => $crmid, 'kind' => $kind, 'crm_user' => $crmUser,
            'detail' => $detail, 'state' => $waits ? 'waiting' : 'kept'));
        if ($id % 1000 === 0) {
            // Bounded also where cron does not run.
            $this->trim();
        }
    }

    /**
     * Changes of a module after a cursor.
     *
     * @param string $cursor '' for from now on, '0' for all that is kept, else one given by an earlier call
     * @param callable $id gives a record's id from module and number
     * @throws PugmarkRefused INVALID_INPUT, MODULE_NOT_WATCHED, CURSOR_EXPIRED
     */
    public function changes(string $module, string $cursor, string $limit, callable $id): array
    {
        if (!in_array($module, $this->settings->items('modules'), true)) {
            throw new PugmarkRefused('MODULE_NOT_WATCHED', "Changes of $module are not written down");
        }
        if ($cursor === '') {
            return array('changes' => array(), 'cursor' => (string) $this->now(), 'more' => false);
        }
        $after = $this->start($cursor);
        $most = $this->limit($limit);
        $rows = $this->settled($this->table->after($after, self::LOOKED_AT + 1), $after);
        $more = count($rows) > self::LOOKED_AT;
        $changes = array();
        foreach (array_slice($rows, 0, self::LOOKED_AT) as $row) {
            if ($row['module'] === $module) {
                if (count($changes) === $most) {
                    $more = true;
                    break;
                }
                $changes[] = array('id' => $id($module, $row['crmid']), 'kind' => $row['kind'], 'at' => $row['at']);
            }
            $after = $row['id'];
        }
        return array('changes' => $changes, 'cursor' => (string) $after, 'more' => $more);
    }

    /** Removes what is too old or too much; the newest row stays, so that numbers are never given out again. */
    public function trim(): void
    {
        $this->settings->reload();
        $newest = $this->table->newest();
        $tooMany = $newest - $this->settings->count('outbox_rows');
        $tooOld = $this->table->newestAged($this->settings->count('outbox_days') * 86400);
        $upTo = min($newest - 1, max($tooMany, $tooOld));
        if ($upTo > $this->removedTo()) {
            // Noted first: a reader is told too early rather than too late that rows are missing.
            $this->settings->keep('outbox_removed_to', (string) $upTo);
            $this->table->removeUpTo($upTo);
        }
    }

    /** The rows before the first gap in which a row may still appear. */
    private function settled(array $rows, int $after): array
    {
        $previous = max($after, $this->removedTo());
        foreach ($rows as $place => $row) {
            if ($row['id'] > $previous + 1 && $row['age'] < self::SETTLED) {
                return array_slice($rows, 0, $place);
            }
            $previous = $row['id'];
        }
        return $rows;
    }

    /** The number up to which nothing can appear any more. */
    private function now(): int
    {
        $after = max($this->table->newestAged(self::SETTLED), $this->removedTo());
        do {
            $read = $this->table->after($after, self::LOOKED_AT);
            $rows = $this->settled($read, $after);
            $after = $rows ? end($rows)['id'] : $after;
        } while (count($rows) === self::LOOKED_AT);
        return $after;
    }

    private function start(string $cursor): int
    {
        if (!preg_match('/^[0-9]{1,18}$/D', $cursor)) {
            throw new PugmarkRefused('INVALID_INPUT', 'cursor must be empty, 0, or one that was given');
        }
        $after = (int) $cursor;
        $removed = $this->removedTo();
        if ($after === 0) {
            return $removed;
        }
        if ($after < $removed || $after > max($this->table->newest(), $removed)) {
            throw new PugmarkRefused('CURSOR_EXPIRED', 'The changes after this cursor are not kept any more');
        }
        return $after;
    }

    private function limit(string $limit): int
    {
        if ($limit === '') {
            return 100;
        }
        if (!preg_match('/^[1-9][0-9]{0,3}$/D', $limit) || (int) $limit > self::MOST) {
            throw new PugmarkRefused('INVALID_INPUT', 'limit must be 1 to ' . self::MOST);
        }
        return (int) $limit;
    }

    private function removedTo(): int
    {
        return (int) $this->settings->text('outbox_removed_to');
    }
}
