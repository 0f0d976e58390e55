<?php
/** Tells whether a field already holds a value, with the eyes of the web service. */
final class PugmarkComparison
{
    const NUMBERS = array('integer', 'double', 'currency', 'percentage');

    /** @param string $type type name of describe */
    public static function same(string $type, $stored, $wanted): bool
    {
        $stored = self::text($type, $stored);
        $wanted = self::text($type, $wanted);
        if ($stored === $wanted) {
            return true;
        }
        if (in_array($type, self::NUMBERS, true) && is_numeric($stored) && is_numeric($wanted)) {
            return (float) $stored === (float) $wanted;
        }
        return false;
    }

    private static function text(string $type, $value): string
    {
        if (is_bool($value)) {
            $value = $value ? '1' : '0';
        }
        $value = str_replace(array("\r\n", "\r"), "\n", (string) $value);
        if ($type === 'boolean') {
            return in_array(strtolower($value), array('1', 'true', 'on', 'yes'), true) ? '1' : '0';
        }
        if ($type === 'multipicklist') {
            $chosen = array_map('trim', explode('|##|', $value));
            sort($chosen);
            return implode('|##|', $chosen);
        }
        return $value;
    }
}
