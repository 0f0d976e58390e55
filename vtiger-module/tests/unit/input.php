<?php
test('Malformed JSON, which vTiger hands over as null, is refused', function () {
    refused('INVALID_INPUT', function () {
        PugmarkInput::object(null, 'element');
    });
    refused('INVALID_INPUT', function () {
        PugmarkInput::items(null, 'elements');
    });
});
test('A list is no object and an object is no list', function () {
    refused('INVALID_INPUT', function () {
        PugmarkInput::object(array('a', 'b'), 'element');
    });
    refused('INVALID_INPUT', function () {
        PugmarkInput::items(array('a' => 1), 'elements');
    });
    same(array(), PugmarkInput::object(array(), 'element'));
    same(array('a'), PugmarkInput::items(array('a'), 'elements'));
});
test('Texts are text: no lists, no truth values, no control characters, no broken UTF-8, no more than fits', function () {
    foreach (array(array('x'), true, "a\x00b", "a\nb", "\xff", str_repeat('x', 256)) as $wrong) {
        refused('INVALID_INPUT', function () use ($wrong) {
            PugmarkInput::text(array('name' => $wrong), 'name');
        });
    }
    same('12', PugmarkInput::text(array('name' => 12), 'name'));
    same('', PugmarkInput::text(array(), 'name'));
});
test('Flags are true or false, and the text false is false', function () {
    same(false, PugmarkInput::flag(array('bulk' => 'false'), 'bulk', true));
    same(true, PugmarkInput::flag(array('bulk' => true), 'bulk', false));
    same(true, PugmarkInput::flag(array(), 'bulk', true));
    refused('INVALID_INPUT', function () {
        PugmarkInput::flag(array('bulk' => 'perhaps'), 'bulk', false);
    });
});
test('An id must be the one of its kind to the letter', function () {
    same(5, PugmarkInput::number('19x5', '19'));
    foreach (array('19x5abc', '12x5', '19x', '19x0', '5', "19x5\n", '19x5 or 1=1', '19x99999999999') as $wrong) {
        same(0, PugmarkInput::number($wrong, '19'), $wrong);
    }
});
