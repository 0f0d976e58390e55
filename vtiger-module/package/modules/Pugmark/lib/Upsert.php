<?php
/**
 * Creates or revises records keyed by our reference, so that a repeated call creates nothing twice.
 *
 * vTiger 8 has no transactions. Each element therefore takes a lock on its reference, notes 'started', creates, and
 * notes the record. A reference that is 'started' without a record is looked for among the records before anything
 * is made.
 */
final class PugmarkUpsert
{
    const MOST = 100;
    const LOCK_SECONDS = 10;

    private $records;
    private $references;
    private $locks;

    public function __construct(PugmarkRecords $records, PugmarkReferenceTable $references, PugmarkLocks $locks)
    {
        $this->records = $records;
        $this->references = $references;
        $this->locks = $locks;
    }

    /**
     * @param string $module web service name of the module
     * @param string $field name of the field that holds our reference
     * @return array ["results" => one answer for each element, in order]
     * @throws PugmarkRefused TOO_MANY, INVALID_INPUT, ACCESS_DENIED for the call as a whole
     */
    public function run(string $module, string $field, $elements, $options): array
    {
        $elements = PugmarkInput::items($elements, 'elements');
        if (count($elements) > self::MOST) {
            throw new PugmarkRefused('TOO_MANY', 'At most ' . self::MOST . ' elements in one call');
        }
        $bulk = PugmarkInput::flag(PugmarkInput::object($options === null ? array() : $options, 'options'), 'bulk', false);
        $types = $this->records->fields($module);
        if (!isset($types[$field])) {
            throw new PugmarkRefused('INVALID_INPUT', "$module has no field $field for the reference");
        }
        $longest = min(128, $this->records->longest($module, $field));
        $results = array();
        foreach ($elements as $element) {
            $results[] = $this->answer($module, $field, $element, $types, $longest, $bulk);
        }
        return array('results' => $results);
    }

    private function answer(string $module, string $field, $element, array $types, int $longest, bool $bulk): array
    {
        $reference = is_array($element) && isset($element['reference']) && is_scalar($element['reference'])
            ? (string) $element['reference'] : '';
        try {
            $wish = $this->wish($field, $element, $types, $longest);
            return array('reference' => $reference) + $this->locked($module, $field, $wish, $types, $bulk);
        } catch (PugmarkRefused $refused) {
            $answer = array('reference' => $reference, 'status' => 'refused', 'code' => $refused->reason(),
                'message' => $refused->getMessage());
            return $refused->record() === null ? $answer : $answer + array('id' => $refused->record());
        } catch (Throwable $failure) {
            return array('reference' => $reference, 'status' => 'refused', 'code' => 'INTERNAL_SERVER_ERROR',
                'message' => 'The record could not be saved (' . get_class($failure) . ')');
        }
    }

    /** The element, checked: reference, fields, expect, createOnly. */
    private function wish(string $field, $element, array $types, int $longest): array
    {
        $element = PugmarkInput::object($element, 'An element');
        $reference = PugmarkInput::text($element, 'reference', 128);
        if ($reference === '' || trim($reference) !== $reference) {
            throw new PugmarkRefused('INVALID_INPUT', 'reference must be 1 to 128 characters without blanks around them');
        }
        if (mb_strlen($reference, 'UTF-8') > $longest || preg_match('/[\x{10000}-\x{10FFFF}]/u', $reference)) {
            // The CRM would keep something else than the reference, and never find it again.
            throw new PugmarkRefused('INVALID_INPUT', "$field cannot keep this reference: it holds $longest characters");
        }
        $wish = array('reference' => $reference);
        foreach (array('fields', 'expect', 'createOnly') as $part) {
            $wish[$part] = PugmarkInput::object(isset($element[$part]) ? $element[$part] : array(), $part);
            foreach ($wish[$part] as $name => $value) {
                if (!isset($types[$name]) || $name === 'id') {
                    throw new PugmarkRefused('INVALID_FIELD', "There is no field $name");
                }
                if ($value !== null && !is_scalar($value)) {
                    throw new PugmarkRefused('INVALID_FIELD', "$name must be a single value");
                }
                if ($name === $field && $part !== 'expect' && (string) $value !== $reference) {
                    throw new PugmarkRefused('INVALID_FIELD', "$name must hold the reference");
                }
            }
        }
        return $wish;
    }

    private function locked(string $module, string $field, array $wish, array $types, bool $bulk): array
    {
        $lock = 'reference|' . $module . '|' . $wish['reference'];
        if (!$this->locks->take($lock, self::LOCK_SECONDS)) {
            throw new PugmarkRefused('BUSY', 'Another call works on this reference');
        }
        try {
            return $this->decide($module, $field, $wish, $types, $bulk);
        } finally {
            $this->locks->release($lock);
        }
    }

    private function decide(string $module, string $field, array $wish, array $types, bool $bulk): array
    {
        $reference = $wish['reference'];
        $row = $this->references->find($module, $reference);
        if ($row !== null && $row['crmid'] !== null) {
            $crmid = (int) $row['crmid'];
            if (!$this->records->exists($module, $crmid)) {
                $id = $this->records->id($module, $crmid);
                throw new PugmarkRefused('RECORD_DELETED', "The record $id of this reference was deleted", $id);
            }
            return $this->revise($module, $field, $crmid, $wish, $types, $bulk);
        }
        $crmid = $this->holder($module, $field, $reference);
        $this->references->start($module, $reference);
        if ($crmid !== null) {
            $this->references->finish($module, $reference, $crmid);
            return $this->revise($module, $field, $crmid, $wish, $types, $bulk);
        }
        return $this->create($module, $field, $wish, $bulk);
    }

    /** The one record that holds the reference; null for none. */
    private function holder(string $module, string $field, string $reference)
    {
        $holders = $this->records->holders($module, $field, $reference);
        if (count($holders) > 1) {
            throw new PugmarkRefused('AMBIGUOUS_REFERENCE', 'More than one record holds this reference');
        }
        return $holders ? $holders[0] : null;
    }

    private function create(string $module, string $field, array $wish, bool $bulk): array
    {
        $reference = $wish['reference'];
        $fields = array($field => $reference) + $wish['fields'] + $wish['createOnly'];
        try {
            $crmid = $this->records->create($module, $fields, $bulk);
        } catch (Throwable $failure) {
            // A handler or workflow may fail after the record was stored.
            $crmid = $this->holder($module, $field, $reference);
            if ($crmid === null) {
                throw $failure;
            }
        }
        if (!in_array($crmid, $this->records->holders($module, $field, $reference), true)) {
            throw new PugmarkRefused('CREATE_UNPROVEN', 'The CRM made a record that does not hold the reference',
                $this->records->id($module, $crmid));
        }
        $this->references->finish($module, $reference, $crmid);
        return array('status' => 'created', 'id' => $this->records->id($module, $crmid));
    }

    private function revise(string $module, string $field, int $crmid, array $wish, array $types, bool $bulk): array
    {
        $id = $this->records->id($module, $crmid);
        $stored = $this->records->read($module, $crmid);
        foreach ($wish['expect'] as $name => $expected) {
            if (!PugmarkComparison::same($types[$name], $this->value($stored, $name), $expected)) {
                $current = array();
                foreach (array_keys($wish['expect']) as $shown) {
                    $current[$shown] = $this->value($stored, $shown);
                }
                return array('status' => 'conflict', 'id' => $id, 'current' => $current);
            }
        }
        $changes = array();
        // The reference comes first: a record that lost it by hand gets it back.
        foreach (array($field => $wish['reference']) + $wish['fields'] as $name => $value) {
            if (!PugmarkComparison::same($types[$name], $this->value($stored, $name), $value)) {
                $changes[$name] = $value;
            }
        }
        if (!$changes) {
            return array('status' => 'unchanged', 'id' => $id);
        }
        $this->records->revise($module, $crmid, $changes, $bulk);
        return array('status' => 'updated', 'id' => $id);
    }

    private function value(array $stored, string $name)
    {
        return isset($stored[$name]) ? $stored[$name] : '';
    }
}
