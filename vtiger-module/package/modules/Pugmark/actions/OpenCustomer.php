<?php
require_once 'modules/Pugmark/crm/Services.php';

/** Opens the customer that a contact belongs to: sends the browser to the address from the settings. */
class Pugmark_OpenCustomer_Action extends Vtiger_Action_Controller
{
    /** As for the contact itself. */
    public function checkPermission(Vtiger_Request $request)
    {
        $record = (int) $request->get('record');
        if (isPermitted('Contacts', 'DetailView', $record) !== 'yes') {
            throw new AppException(vtranslate('LBL_PERMISSION_DENIED'));
        }
        return true;
    }

    public function process(Vtiger_Request $request)
    {
        $services = PugmarkServices::own();
        $template = $services->isEnabled() ? $services->settings->text('customer_url') : '';
        $contact = Vtiger_Record_Model::getInstanceById((int) $request->get('record'), 'Contacts');
        $reference = decode_html((string) $contact->get($services->settings->text('reference_field')));
        if ($template === '' || $reference === '') {
            throw new AppException('This contact is not linked to a customer');
        }
        header('Location: ' . str_replace('{reference}', rawurlencode($reference), $template), true, 302);
    }
}
