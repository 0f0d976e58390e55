<?php
/** Reads what a caller sent; refuses what is of another shape than it should be. */
final class PugmarkInput
{
    /** A JSON object; vTiger hands malformed JSON over as null. */
    public static function object($value, string $what): array
    {
        if (!is_array($value) || ($value !== array() && self::isList($value))) {
            throw new PugmarkRefused('INVALID_INPUT', "$what must be a JSON object");
        }
        return $value;
    }

    /** A JSON list. */
    public static function items($value, string $what): array
    {
        if (!is_array($value) || !self::isList($value)) {
            throw new PugmarkRefused('INVALID_INPUT', "$what must be a JSON list");
        }
        return $value;
    }

    /** A text (or number) without control characters; '' where it is absent. */
    public static function text(array $from, string $name, int $longest = 255): string
    {
        $value = isset($from[$name]) ? $from[$name] : '';
        if (is_bool($value) || !is_scalar($value)) {
            throw new PugmarkRefused('INVALID_INPUT', "$name must be a text");
        }
        $value = (string) $value;
        if (!mb_check_encoding($value, 'UTF-8') || preg_match('/[\x00-\x1f\x7f]/', $value)) {
            throw new PugmarkRefused('INVALID_INPUT', "$name holds characters that are no text");
        }
        if (mb_strlen($value, 'UTF-8') > $longest) {
            throw new PugmarkRefused('INVALID_INPUT', "$name is longer than $longest characters");
        }
        return $value;
    }

    /** true or false, also as the texts that form bodies carry. */
    public static function flag(array $from, string $name, bool $otherwise): bool
    {
        if (!isset($from[$name]) || $from[$name] === '') {
            return $otherwise;
        }
        if (in_array($from[$name], array(true, 1, '1', 'true'), true)) {
            return true;
        }
        if (in_array($from[$name], array(false, 0, '0', 'false'), true)) {
            return false;
        }
        throw new PugmarkRefused('INVALID_INPUT', "$name must be true or false");
    }

    /** A list of module names, each once. */
    public static function modules($value): array
    {
        $modules = self::items($value, 'modules');
        foreach ($modules as $module) {
            if (!is_string($module) || !preg_match('/^[A-Za-z][A-Za-z0-9_]{0,49}$/', $module)) {
                throw new PugmarkRefused('INVALID_INPUT', 'modules must be a list of module names');
            }
        }
        return array_values(array_unique($modules));
    }

    /** The number in an id like 19x5 that has this prefix; 0 where it is no such id. */
    public static function number(string $id, string $prefix): int
    {
        $pattern = '/^' . preg_quote($prefix, '/') . 'x([1-9][0-9]{0,9})$/D';
        return preg_match($pattern, $id, $parts) ? (int) $parts[1] : 0;
    }

    private static function isList(array $value): bool
    {
        return array_keys($value) === array_keys(array_keys($value));
    }
}
