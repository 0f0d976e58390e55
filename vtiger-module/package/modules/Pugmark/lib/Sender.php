<?php
/**
 * Sends the outbox, one message after the other and in order: a message that fails holds back those after it until
 * it is delivered or given up.
 */
final class PugmarkSender
{
    const FIRST_PAUSE = 30;
    const LONGEST_PAUSE = 3600;

    private $table;
    private $settings;
    private $locks;
    private $http;
    private $clock;
    private $id;

    /** @param callable $id gives a record's id from module and number */
    public function __construct(PugmarkOutboxTable $table, PugmarkSettings $settings, PugmarkLocks $locks,
        PugmarkHttp $http, PugmarkClock $clock, callable $id)
    {
        $this->table = $table;
        $this->settings = $settings;
        $this->locks = $locks;
        $this->http = $http;
        $this->clock = $clock;
        $this->id = $id;
    }

    /** @return array how many were sent, given_up, failed */
    public function run(): array
    {
        $done = array('sent' => 0, 'given_up' => 0, 'failed' => 0);
        $ready = $this->settings->flag('webhook_enabled') && $this->settings->text('webhook_url') !== ''
            && $this->settings->text('webhook_secret') !== '';
        // Cron runs may overlap; two senders would break the order.
        if (!$ready || !$this->locks->take('sender', 0)) {
            return $done;
        }
        try {
            $end = $this->clock->now() + $this->settings->count('webhook_seconds');
            $most = $this->settings->count('webhook_batch');
            while (array_sum($done) < $most && $this->clock->now() < $end) {
                $outcome = $this->next();
                if ($outcome === null) {
                    break;
                }
                // After a failure the next turn finds nothing due: the message that failed is the first one.
                $done[$outcome]++;
            }
        } finally {
            $this->locks->release('sender');
        }
        return $done;
    }

    /** Seconds to wait after so many attempts. */
    public static function pause(int $attempts): int
    {
        return (int) min(self::LONGEST_PAUSE, self::FIRST_PAUSE * pow(2, min($attempts, 12) - 1));
    }

    /** @return string|null what became of the first waiting message; null where none is due */
    private function next()
    {
        $row = $this->table->head();
        $now = $this->clock->now();
        if ($row === null) {
            return null;
        }
        if (!in_array($row['module'], $this->settings->items('webhook_modules'), true)) {
            return $this->giveUp($row, 'module switched off');
        }
        if ($row['age'] > $this->settings->count('webhook_hours') * 3600) {
            return $this->giveUp($row, 'too old');
        }
        if ($row['next_attempt'] !== null && strtotime($row['next_attempt'] . ' UTC') > $now) {
            return null;
        }
        $status = $this->send($row, $now);
        if ($status >= 200 && $status < 300) {
            $this->table->mark($row['id'], array('state' => 'sent', 'attempts' => $row['attempts'] + 1,
                'last_answer' => (string) $status));
            return 'sent';
        }
        return $this->failed($row, $status);
    }

    private function send(array $row, int $now): int
    {
        $secret = $this->settings->text('webhook_secret');
        $messageId = PugmarkWebhook::id($this->settings->text('installation'), $row);
        $body = PugmarkWebhook::body($messageId, $row, $this->id);
        return $this->http->post($this->settings->text('webhook_url'),
            PugmarkWebhook::headers($secret, $messageId, $now, $body), $body);
    }

    private function failed(array $row, int $status): string
    {
        $attempts = $row['attempts'] + 1;
        // Refused for good is what the receiver said of this message; anything else is trouble that passes.
        $refused = $status >= 300 && $status < 500 && !in_array($status, array(408, 425, 429), true);
        if ($refused && $attempts >= $this->settings->count('webhook_attempts')) {
            return $this->giveUp(array('attempts' => $attempts) + $row, 'refused with ' . $status);
        }
        $next = gmdate('Y-m-d H:i:s', $this->clock->now() + self::pause($attempts));
        $this->table->mark($row['id'], array('state' => 'waiting', 'attempts' => $attempts, 'next_attempt' => $next,
            'last_answer' => $status === 0 ? 'no answer' : (string) $status));
        return 'failed';
    }

    private function giveUp(array $row, string $why): string
    {
        $this->table->mark($row['id'], array('state' => 'given_up', 'attempts' => $row['attempts'], 'last_answer' => $why));
        return 'given_up';
    }
}
