<?php
$languageStrings = array(
    'Pugmark' => 'Pugmark',
    'LBL_OPEN_CUSTOMER' => 'Open customer',
);
