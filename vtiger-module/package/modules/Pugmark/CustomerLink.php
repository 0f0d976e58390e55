<?php
require_once 'modules/Pugmark/crm/Services.php';

/** Whether the link to the customer is shown: vTiger asks for each page of a contact. */
class PugmarkCustomerLink
{
    public static function isShown($linkData)
    {
        try {
            $services = PugmarkServices::own();
            return $services->isEnabled() && $services->settings->text('customer_url') !== '';
        } catch (Throwable $failure) {
            return false;
        }
    }
}
