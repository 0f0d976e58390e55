<?php
final class UsersCase
{
    public $world;
    public $accounts;
    public $references;
    public $locks;
    public $users;

    public function __construct(array $settings = array())
    {
        $this->world = new World();
        $this->accounts = new MemoryUsers($this->world);
        $this->references = new MemoryReferences($this->world);
        $this->locks = new MemoryLocks();
        $this->users = new PugmarkUsers($this->accounts, $this->references, $this->locks,
            new PugmarkSettings(new MemorySettings($settings)));
    }

    public function create(array $changes = array()): array
    {
        return $this->users->create($changes + array('user_name' => 'jane', 'user_password' => 'secret1',
            'first_name' => 'Jane', 'last_name' => 'Doe', 'email1' => 'jane@example.com', 'roleid' => 'H5', 'reference' => 'u-1'));
    }
}

test('A user is created with its role by id or by name, and shown without password', function () {
    $case = new UsersCase();
    same(array('id' => '19x5', 'user_name' => 'jane', 'email1' => 'jane@example.com', 'status' => 'Active', 'roleid' => 'H5',
        'first_name' => 'Jane', 'last_name' => 'Doe'), $case->create(array('roleid' => 'Sales Person')));
    same('secret1', $case->accounts->passwords[5]);
});
test('A repeated creation gives the same user and makes no second, even when its name changed meanwhile', function () {
    $case = new UsersCase();
    $first = $case->create();
    same($first, $case->create());
    same($first, $case->create(array('user_name' => 'other')));
    same(1, count($case->accounts->users));
});
test('A name that is taken is refused in any case of its letters', function () {
    $case = new UsersCase();
    $case->create();
    refused('DUPLICATE_USER_NAME', function () use ($case) {
        $case->create(array('user_name' => 'JANE', 'reference' => 'u-2'));
    });
    same(null, $case->references->find('Users', 'u-2'), 'a refused reference is not noted');
});
test('Every mandatory field is demanded by name', function () {
    foreach (PugmarkUsers::MANDATORY as $name) {
        foreach (array('', '  ', null) as $empty) {
            same("$name does not have a value", refused('MANDATORY_FIELDS_MISSING', function () use ($name, $empty) {
                (new UsersCase())->create(array($name => $empty));
            }));
        }
    }
});
test('Unknown roles, and names that several roles have, are refused', function () {
    foreach (array('H99', 'Nobody', 'Twin') as $role) {
        refused('ROLE_NOT_FOUND', function () use ($role) {
            (new UsersCase())->create(array('roleid' => $role));
        });
    }
});
test('Short passwords and those against the rule of the CRM are refused, and not repeated in the message', function () {
    $message = refused('WEAK_PASSWORD', function () {
        (new UsersCase())->create(array('user_password' => 'abc12'));
    });
    same(false, strpos($message, 'abc12'));
    $case = new UsersCase(array('shortest_password' => '10'));
    refused('WEAK_PASSWORD', function () use ($case) {
        $case->create(array('user_password' => 'ninechars'));
    });
    $case->accounts->pattern = '/[0-9]/';
    refused('WEAK_PASSWORD', function () use ($case) {
        $case->create(array('user_password' => 'no digits here'));
    });
    same(array(), $case->accounts->users);
});
test('A creation that was cut off is finished by the next call, with one user', function () {
    foreach (array('before:createUser', 'after:createUser', 'before:finish', 'after:finish', 'after:start') as $place) {
        $case = new UsersCase();
        list($when, $call) = explode(':', $place);
        $when === 'before' ? $case->world->dieBefore = $call : $case->world->dieAfter = $call;
        try {
            $case->create();
            holds(false, "killed $place");
        } catch (Killed $gone) {
            $case->world->restart();
        }
        same('19x5', $case->create()['id'], $place);
        same(1, count($case->accounts->users), $place);
        same('secret1', $case->accounts->passwords[5], $place);
    }
});
test('A started creation does not take over somebody else of the same name', function () {
    $case = new UsersCase();
    $case->references->start('Users', 'u-1');
    $case->accounts->create(array('user_name' => 'jane', 'user_password' => 'theirs', 'email1' => 'other@example.com',
        'roleid' => 'H4', 'first_name' => 'J', 'last_name' => 'D'));
    refused('DUPLICATE_USER_NAME', function () use ($case) {
        $case->create();
    });
    same('theirs', $case->accounts->passwords[5]);
});
test('A user that the CRM did not store is not reported as made', function () {
    $case = new UsersCase();
    $case->accounts->storesNothing = true;
    refused('CREATE_UNPROVEN', function () use ($case) {
        $case->create();
    });
    same('started', $case->references->find('Users', 'u-1')['state']);
    same(array(), $case->locks->held);
});
test('A user deleted in the CRM is not made again for its reference', function () {
    $case = new UsersCase();
    $case->create();
    $case->accounts->users = array();
    refused('RECORD_DELETED', function () use ($case) {
        $case->create();
    });
});
test('Users are found by login name in any case, active or not', function () {
    $case = new UsersCase();
    $case->create();
    $case->users->update('19x5', array('status' => 'Inactive'));
    same(array('Inactive'), array_column($case->users->find('Jane')['users'], 'status'));
    same(array('users' => array()), $case->users->find('nobody'));
});
test('An inactive user can be changed and made active again; what is not changeable is left alone', function () {
    $case = new UsersCase();
    $case->create();
    $case->users->update('19x5', array('status' => 'Inactive'));
    $shown = $case->users->update('19x5', array('status' => 'Active', 'roleid' => 'Sales Manager', 'last_name' => 'Roe',
        'user_name' => 'hacked', 'is_admin' => 'on', 'user_password' => 'x'));
    same(array('jane', 'Active', 'H4', 'Roe'), array($shown['user_name'], $shown['status'], $shown['roleid'], $shown['last_name']));
    same('secret1', $case->accounts->passwords[5]);
});
test('A wrong status, role or id changes nothing', function () {
    $case = new UsersCase();
    $before = $case->create();
    refused('INVALID_STATUS', function () use ($case) {
        $case->users->update('19x5', array('status' => 'Gone', 'last_name' => 'X'));
    });
    refused('ROLE_NOT_FOUND', function () use ($case) {
        $case->users->update('19x5', array('roleid' => 'H99', 'last_name' => 'X'));
    });
    foreach (array('19x6', '12x5', '19x5abc', '5', '') as $id) {
        refused('RECORD_NOT_FOUND', function () use ($case, $id) {
            $case->users->update($id, array('last_name' => 'X'));
        });
    }
    same(array($before), $case->users->find('jane')['users']);
});
test('A password is set for an existing user only', function () {
    $case = new UsersCase();
    $case->create();
    same(array('id' => '19x5'), $case->users->setPassword('19x5', 'newsecret'));
    same('newsecret', $case->accounts->passwords[5]);
    refused('RECORD_NOT_FOUND', function () use ($case) {
        $case->users->setPassword('19x7', 'newsecret');
    });
    refused('WEAK_PASSWORD', function () use ($case) {
        $case->users->setPassword('19x5', 'short');
    });
});
