<?php
/**
 * Creates or revises records keyed by our reference, so that a repeated call creates nothing twice.
 *
 * vTiger 8 has no transactions. Each element therefore takes a lock on its reference, notes 'started', creates, and
 * notes the record. A reference that is 'started' without a record is looked for among the records before anything
 * is made. A record carries a mark while it is made, so that one cut off half-way is known for what it is: finished if
 * it holds its reference, else removed before it is made again.
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
        $call = array('module' => $module, 'field' => $field, 'types' => $types, 'bulk' => $bulk,
            'readOnly' => $this->records->readOnly($module), 'longest' => min(128, $this->records->longest($module, $field)));
        $results = array();
        foreach ($elements as $element) {
            $results[] = $this->answer($call, $element);
        }
        return array('results' => $results);
    }

    /** @param array $call what all elements share: module, field, types, readOnly, longest, bulk */
    private function answer(array $call, $element): array
    {
        $reference = is_array($element) && isset($element['reference']) && is_scalar($element['reference'])
            ? (string) $element['reference'] : '';
        try {
            return array('reference' => $reference) + $this->locked($call, $this->wish($call, $element));
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
    private function wish(array $call, $element): array
    {
        $element = PugmarkInput::object($element, 'An element');
        $reference = PugmarkInput::text($element, 'reference', 128);
        if ($reference === '' || trim($reference) !== $reference) {
            throw new PugmarkRefused('INVALID_INPUT', 'reference must be 1 to 128 characters without blanks around them');
        }
        if (mb_strlen($reference, 'UTF-8') > $call['longest'] || preg_match('/[\x{10000}-\x{10FFFF}]/u', $reference)) {
            // The CRM would keep something else than the reference, and never find it again.
            throw new PugmarkRefused('INVALID_INPUT', "{$call['field']} cannot keep this reference: it holds {$call['longest']} characters");
        }
        $wish = array('reference' => $reference);
        foreach (array('fields', 'expect', 'createOnly') as $part) {
            $wish[$part] = PugmarkInput::object(isset($element[$part]) ? $element[$part] : array(), $part);
            foreach ($wish[$part] as $name => $value) {
                if (!isset($call['types'][$name]) || $name === 'id') {
                    throw new PugmarkRefused('INVALID_FIELD', "There is no field $name");
                }
                if ($value !== null && !is_scalar($value)) {
                    throw new PugmarkRefused('INVALID_FIELD', "$name must be a single value");
                }
                if ($part !== 'expect') {
                    $this->checkWritten($call, $reference, $name, $value);
                }
            }
        }
        return $wish;
    }

    private function checkWritten(array $call, string $reference, string $name, $value): void
    {
        if ($name === $call['field'] && (string) $value !== $reference) {
            throw new PugmarkRefused('INVALID_FIELD', "$name must hold the reference");
        }
        if (in_array($name, $call['readOnly'], true)) {
            throw new PugmarkRefused('INVALID_FIELD', "$name cannot be written");
        }
        $type = $call['types'][$name];
        $empty = $value === null || $value === '';
        if ($type === 'owner' && !$empty && !$this->records->isOwner((string) $value)) {
            // vTiger would store the record under an owner that is not there, and end the whole call.
            throw new PugmarkRefused('REFERENCE_INVALID', "$name names no user or group");
        }
        if ($type === 'reference' && !$empty && !preg_match('/^[0-9]+x[0-9]+$/D', (string) $value)) {
            throw new PugmarkRefused('REFERENCE_INVALID', "$name must be an id");
        }
    }

    private function locked(array $call, array $wish): array
    {
        $lock = 'reference|' . $call['module'] . '|' . $wish['reference'];
        if (!$this->locks->take($lock, self::LOCK_SECONDS)) {
            throw new PugmarkRefused('BUSY', 'Another call works on this reference');
        }
        try {
            return $this->decide($call, $wish);
        } finally {
            $this->locks->release($lock);
        }
    }

    private function decide(array $call, array $wish): array
    {
        $module = $call['module'];
        $reference = $wish['reference'];
        $row = $this->references->find($module, $reference);
        if ($row !== null && $row['crmid'] !== null) {
            $crmid = (int) $row['crmid'];
            if (!$this->records->exists($module, $crmid)) {
                $id = $this->records->id($module, $crmid);
                throw new PugmarkRefused('RECORD_DELETED', "The record $id of this reference was deleted", $id);
            }
            return $this->revise($call, $wish, $crmid, false);
        }
        $crmid = $this->holder($call, $reference);
        $this->references->start($module, $reference);
        if ($crmid !== null) {
            if ($row !== null) {
                $this->records->repair($module, $crmid);
            }
            $answer = $this->revise($call, $wish, $crmid, $row !== null);
            $this->references->finish($module, $reference, $crmid);
            return $answer;
        }
        if ($row !== null) {
            $this->records->discard($module, $call['field'], $this->mark($module, $reference), $row['after']);
        }
        return $this->create($call, $wish);
    }

    /** The one record that holds the reference; null for none. */
    private function holder(array $call, string $reference)
    {
        $holders = $this->records->holders($call['module'], $call['field'], $reference);
        if (count($holders) > 1) {
            throw new PugmarkRefused('AMBIGUOUS_REFERENCE', 'More than one record holds this reference');
        }
        return $holders ? $holders[0] : null;
    }

    private function create(array $call, array $wish): array
    {
        list($module, $field, $reference) = array($call['module'], $call['field'], $wish['reference']);
        $fields = array($field => $reference) + $wish['fields'] + $wish['createOnly'];
        $source = isset($fields['source']) ? (string) $fields['source'] : '';
        try {
            $crmid = $this->records->create($module, $fields, $call['bulk'], $this->mark($module, $reference));
        } catch (Throwable $failure) {
            // A handler or workflow may fail after the record was stored.
            $crmid = $this->holder($call, $reference);
            if ($crmid === null) {
                $this->undo($module, $field, $reference);
                throw $failure;
            }
        }
        if (!in_array($crmid, $this->records->holders($module, $field, $reference), true)) {
            throw new PugmarkRefused('CREATE_UNPROVEN', 'The CRM made a record that does not hold the reference',
                $this->records->id($module, $crmid));
        }
        $this->records->unmark($crmid, $source);
        $this->references->finish($module, $reference, $crmid);
        return array('status' => 'created', 'id' => $this->records->id($module, $crmid));
    }

    /** Leaves nothing of a record that the CRM refused to make. */
    private function undo(string $module, string $field, string $reference): void
    {
        $row = $this->references->find($module, $reference);
        $this->records->discard($module, $field, $this->mark($module, $reference), $row['after']);
        $this->references->forget($module, $reference);
    }

    private function mark(string $module, string $reference): string
    {
        return 'PUGMARK ' . strtoupper(sha1($module . '|' . $reference));
    }

    /** @param bool $unfinished whether its making was cut off, so that the CRM's events have not seen it yet */
    private function revise(array $call, array $wish, int $crmid, bool $unfinished): array
    {
        $types = $call['types'];
        $id = $this->records->id($call['module'], $crmid);
        $stored = $this->records->read($call['module'], $crmid);
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
        // The reference comes first: a record that lost it by hand gets it back. The source is taken on creation only.
        foreach (array($call['field'] => $wish['reference']) + array_diff_key($wish['fields'], array('source' => 1)) as $name => $value) {
            if ($unfinished || !PugmarkComparison::same($types[$name], $this->value($stored, $name), $value)) {
                $changes[$name] = $value;
            }
        }
        if (!$changes) {
            return array('status' => 'unchanged', 'id' => $id);
        }
        $this->records->revise($call['module'], $crmid, $changes, $call['bulk']);
        return array('status' => 'updated', 'id' => $id);
    }

    private function value(array $stored, string $name)
    {
        return isset($stored[$name]) ? $stored[$name] : '';
    }
}
