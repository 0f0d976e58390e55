<?php
/** A small test runner: tests are sentences with a function. */
error_reporting(E_ALL);
set_error_handler(function ($level, $message, $file, $line) {
    if (!(error_reporting() & $level) || PugmarkRunner::$lenient) {
        return false;
    }
    throw new ErrorException($message, 0, $level, $file, $line);
});

final class PugmarkRunner
{
    public static $only = '';
    /** For code that is not ours and warns. */
    public static $lenient = false;
    private static $tests = array();
    private static $checks = 0;

    public static function add(string $sentence, callable $test): void
    {
        if (isset(self::$tests[$sentence])) {
            throw new LogicException("Two tests say: $sentence");
        }
        self::$tests[$sentence] = $test;
    }

    public static function checked(): void
    {
        self::$checks++;
    }

    /** @return bool whether one failed */
    public static function run(string $where = ''): bool
    {
        $failures = array();
        $passed = 0;
        foreach (self::$tests as $sentence => $test) {
            if (self::$only !== '' && stripos($sentence, self::$only) === false) {
                continue;
            }
            self::$checks = 0;
            try {
                $test();
                if (self::$checks === 0) {
                    throw new LogicException('It checked nothing');
                }
                $passed++;
            } catch (Throwable $failure) {
                $failures[] = $sentence;
                echo "FAILED  $sentence\n        " . get_class($failure) . ': ' . $failure->getMessage() . "\n        "
                    . basename($failure->getFile()) . ':' . $failure->getLine() . "\n" . self::trace($failure);
            }
        }
        echo ($where === '' ? '' : "$where ") . "$passed passed, " . count($failures) . " failed\n";
        return $failures !== array() || $passed === 0;
    }

    private static function trace(Throwable $failure): string
    {
        $lines = '';
        foreach (array_slice($failure->getTrace(), 0, 4) as $frame) {
            $lines .= isset($frame['file']) ? '        ' . basename($frame['file']) . ':' . $frame['line'] . "\n" : '';
        }
        return $lines;
    }
}

function test(string $sentence, callable $test): void
{
    PugmarkRunner::add($sentence, $test);
}

function same($expected, $actual, string $of = ''): void
{
    PugmarkRunner::checked();
    if ($expected !== $actual) {
        throw new RuntimeException(($of === '' ? '' : "$of: ") . 'expected ' . json_encode($expected) . ', got ' . json_encode($actual));
    }
}

function holds(bool $true, string $what): void
{
    PugmarkRunner::checked();
    if (!$true) {
        throw new RuntimeException("Does not hold: $what");
    }
}

/** Expects a refusal with this code and gives its message. */
function refused(string $code, callable $call): string
{
    PugmarkRunner::checked();
    try {
        $call();
    } catch (PugmarkRefused $refused) {
        same($code, $refused->reason());
        return $refused->getMessage();
    }
    throw new RuntimeException("Not refused; expected $code");
}
