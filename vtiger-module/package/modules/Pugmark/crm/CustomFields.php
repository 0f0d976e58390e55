<?php
require_once 'vtlib/Vtiger/Module.php';

final class PugmarkCrmCustomFields implements PugmarkCustomFields
{
    const INDEX = 'pugmark_reference';

    /** uitype, typeofdata, column type */
    const KINDS = array(
        'text' => array(1, 'V~O~LE~64', 'VARCHAR(64)'),
        'decimal' => array(7, 'NN~O', 'DECIMAL(15,2)'),
        'date' => array(5, 'D~O', 'DATE'),
        'integer' => array(7, 'I~O', 'INT(11)'),
    );

    private $database;

    public function __construct(PugmarkDatabase $database)
    {
        $this->database = $database;
    }

    public function takesFields(string $module): bool
    {
        $tab = Vtiger_Module::getInstance($module);
        return $tab && $tab->isentitytype && $this->table($module) !== '';
    }

    public function named(string $module, string $name, string $label)
    {
        $rows = $this->database->rows('SELECT f.fieldname FROM vtiger_field f JOIN vtiger_tab t ON t.tabid = f.tabid '
            . "WHERE t.name = ? AND (f.fieldname = ? OR (f.fieldlabel = ? AND f.fieldname LIKE 'cf%')) "
            . 'ORDER BY f.fieldname = ? DESC LIMIT 1', array($module, $name, $label, $name));
        return $rows ? $rows[0]['fieldname'] : null;
    }

    public function create(string $module, array $field): void
    {
        list($uitype, $typeofdata, $columntype) = self::KINDS[$field['kind']];
        $new = new Vtiger_Field();
        $new->name = $field['name'];
        $new->label = $field['label'];
        $new->table = $this->table($module);
        $new->column = $field['name'];
        $new->columntype = $columntype;
        $new->uitype = $uitype;
        $new->typeofdata = $typeofdata;
        $new->displaytype = 1;
        // So that the layout editor lets administrators move it.
        $new->generatedtype = 2;
        $this->block($module)->addField($new);
    }

    public function index(string $module, string $field): bool
    {
        $place = $this->database->row('SELECT f.tablename, f.columnname FROM vtiger_field f '
            . 'JOIN vtiger_tab t ON t.tabid = f.tabid WHERE t.name = ? AND f.fieldname = ?', array($module, $field));
        $table = $place['tablename'];
        $column = $place['columnname'];
        $has = $this->database->rows('SELECT INDEX_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() '
            . 'AND TABLE_NAME = ? AND COLUMN_NAME = ? AND SEQ_IN_INDEX = 1', array($table, $column));
        if ($has) {
            return false;
        }
        $this->database->run("ALTER TABLE $table ADD INDEX " . self::INDEX . "_$column ($column)");
        return true;
    }

    /** Removes the fields and indexes that setUp made on the modules, with what they hold. */
    public function drop(array $modules): void
    {
        foreach ($modules as $module) {
            $table = $this->table($module);
            foreach (array_keys(PugmarkFields::FIELDS) as $name) {
                $field = Vtiger_Field::getInstance($name, Vtiger_Module::getInstance($module));
                if ($field && $field->table === $table) {
                    $field->delete();
                    $this->dropColumn($table, $name);
                }
            }
        }
    }

    /** Some versions of vTiger drop the column with the field, some leave it. */
    private function dropColumn(string $table, string $column): void
    {
        $has = $this->database->rows('SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() '
            . 'AND TABLE_NAME = ? AND COLUMN_NAME = ?', array($table, $column));
        if ($has) {
            $this->database->run("ALTER TABLE $table DROP COLUMN $column");
        }
    }

    private function table(string $module): string
    {
        $entity = CRMEntity::getInstance($module);
        return isset($entity->customFieldTable[0]) ? $entity->customFieldTable[0] : '';
    }

    private function block(string $module)
    {
        $tab = Vtiger_Module::getInstance($module);
        $block = Vtiger_Block::getInstance('LBL_CUSTOM_INFORMATION', $tab);
        if ($block) {
            return $block;
        }
        $all = Vtiger_Block::getAllForModule($tab);
        return $all[0];
    }
}
