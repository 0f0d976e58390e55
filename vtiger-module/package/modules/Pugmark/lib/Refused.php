<?php
/** A request that is refused with a code and a sentence that callers may see. */
final class PugmarkRefused extends Exception
{
    private $reason;
    private $record;

    /** @param string|null $record the record concerned, as the web service writes ids ("12x34") */
    public function __construct(string $reason, string $message, $record = null)
    {
        parent::__construct($message);
        $this->reason = $reason;
        $this->record = $record;
    }

    public function reason(): string
    {
        return $this->reason;
    }

    /** @return string|null */
    public function record()
    {
        return $this->record;
    }
}
