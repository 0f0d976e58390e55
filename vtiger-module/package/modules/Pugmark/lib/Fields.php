<?php
/** The custom fields that the synchronisation needs, and the index on the one that holds our reference. */
final class PugmarkFields
{
    const REFERENCE = 'cf_microbima_customer_id';

    /** name => label, kind */
    const FIELDS = array(
        self::REFERENCE => array('Microbima Customer Id', 'text'),
        'cf_id_number' => array('ID Number', 'text'),
        'cf_weekly_payment_total' => array('Weekly Payment Total', 'decimal'),
        'cf_last_payment_date' => array('Last Payment Date', 'date'),
        'cf_payment_count' => array('Payment Count', 'integer'),
    );

    private $fields;
    private $settings;
    private $locks;

    public function __construct(PugmarkCustomFields $fields, PugmarkSettings $settings, PugmarkLocks $locks)
    {
        $this->fields = $fields;
        $this->settings = $settings;
        $this->locks = $locks;
    }

    /** Makes what is missing. @throws PugmarkRefused INVALID_INPUT */
    public function setUp($options): array
    {
        $options = PugmarkInput::object($options, 'options');
        $modules = PugmarkInput::modules(isset($options['modules']) ? $options['modules'] : null);
        $given = PugmarkInput::text($options, 'referenceField', 50);
        foreach ($modules as $module) {
            if (!$this->fields->takesFields($module)) {
                throw new PugmarkRefused('INVALID_INPUT', "$module is no module with custom fields");
            }
        }
        // vTiger checks no names: two set-ups at once would make each field twice.
        if (!$this->locks->take('setup', PugmarkUpsert::LOCK_SECONDS)) {
            throw new PugmarkRefused('BUSY', 'Another call makes the fields');
        }
        try {
            return $this->make($modules, $given);
        } finally {
            $this->locks->release('setup');
        }
    }

    private function make(array $modules, string $given): array
    {
        $made = array();
        $indexed = false;
        foreach ($modules as $module) {
            foreach (self::FIELDS as $name => $field) {
                $made[] = $this->field($module, $name, $field[0], $field[1]);
            }
            $indexed = $this->index($module, $given) || $indexed;
        }
        if ($given !== '') {
            $this->settings->put('reference_field', $given);
        }
        return array('fields' => $made, 'index' => array('created' => $indexed));
    }

    private function field(string $module, string $name, string $label, string $kind): array
    {
        // A field that somebody made by hand under the same label is used, whatever its name.
        $existing = $this->fields->named($module, $name, $label);
        if ($existing === null) {
            $this->fields->create($module, array('name' => $name, 'label' => $label, 'kind' => $kind));
        }
        return array('module' => $module, 'name' => $existing === null ? $name : $existing, 'label' => $label,
            'created' => $existing === null);
    }

    private function index(string $module, string $given): bool
    {
        $name = $given !== '' ? $given : self::REFERENCE;
        $label = $given !== '' ? '' : self::FIELDS[self::REFERENCE][0];
        $field = $this->fields->named($module, $name, $label);
        if ($field === null) {
            throw new PugmarkRefused('INVALID_INPUT', "$module has no field $name");
        }
        return $this->fields->index($module, $field);
    }
}
