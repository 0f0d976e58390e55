<?php
/** Loads the classes that know nothing of vTiger; they can be tested with doubles for the ports. */
foreach (array('Refused', 'Ports', 'Input', 'Settings', 'Access', 'Comparison', 'Upsert', 'Outbox', 'Webhook',
    'Sender', 'Receiver', 'Users', 'Fields') as $pugmarkPart) {
    require_once __DIR__ . '/' . $pugmarkPart . '.php';
}
