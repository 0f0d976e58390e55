<?php
/**
 * The web service operations. vTiger 8 passes parameters by name, 7.x by position: the names and the order here are
 * those of PugmarkAccess::OPERATIONS, and $user comes last.
 */
require_once 'modules/Pugmark/crm/Services.php';

/** Does the work of an operation; lets nothing out but vTiger's own kind of error. */
function pugmark_answer($operation, $user, callable $work)
{
    // The CRM prints remarks in places; before the answer they would break it.
    ob_start();
    try {
        $services = PugmarkServices::own();
        $administrator = is_object($user) && $user->is_admin === 'on';
        $caller = is_object($user) ? (string) $user->user_name : '';
        (new PugmarkAccess($services->settings))->demand($operation, $services->isEnabled(), $administrator, $caller);
        return $work($services);
    } catch (PugmarkRefused $refused) {
        throw new WebServiceException($refused->reason(), $refused->getMessage());
    } catch (Throwable $failure) {
        // Neither the message nor the trace: they may hold what was sent.
        error_log("Pugmark $operation: " . get_class($failure) . ' at ' . basename($failure->getFile()) . ':'
            . $failure->getLine());
        throw new WebServiceException('INTERNAL_SERVER_ERROR', 'The operation failed inside the CRM');
    } finally {
        ob_end_clean();
    }
}

function pugmark_info($user)
{
    return pugmark_answer('pugmark.info', $user, function ($services) use ($user) {
        $access = new PugmarkAccess($services->settings);
        return array(
            'version' => PugmarkServices::VERSION,
            'vtiger' => vtws_getVtigerVersion(),
            'operations' => $access->operations((string) $user->user_name),
            'modules' => $services->settings->items('modules'),
            'passwords' => $access->maySetPasswords((string) $user->user_name),
        );
    });
}

function pugmark_user_find($userName, $user)
{
    return pugmark_answer('pugmark.user_find', $user, function ($services) use ($userName) {
        return $services->users()->find((string) $userName);
    });
}

function pugmark_user_create($element, $user)
{
    return pugmark_answer('pugmark.user_create', $user, function ($services) use ($element) {
        return $services->users()->create($element);
    });
}

function pugmark_user_update($id, $element, $user)
{
    return pugmark_answer('pugmark.user_update', $user, function ($services) use ($id, $element) {
        return $services->users()->update((string) $id, $element);
    });
}

function pugmark_user_password($id, $password, $user)
{
    return pugmark_answer('pugmark.user_password', $user, function ($services) use ($id, $password) {
        return $services->users()->setPassword((string) $id, (string) $password);
    });
}

function pugmark_upsert($elementType, $reference, $elements, $options, $user)
{
    return pugmark_answer('pugmark.upsert', $user, function ($services) use ($elementType, $reference, $elements, $options, $user) {
        // A hundred slow workflows may take longer than a page may.
        @set_time_limit(300);
        return $services->upsert($user)->run((string) $elementType, (string) $reference, $elements, $options);
    });
}

function pugmark_changes($elementType, $cursor, $limit, $user)
{
    // vTiger takes the parameter "0" for one that was not sent.
    $cursor = isset($_GET['cursor']) && $_GET['cursor'] === '0' ? '0' : (string) $cursor;
    return pugmark_answer('pugmark.changes', $user, function ($services) use ($elementType, $cursor, $limit) {
        return $services->outbox()->changes((string) $elementType, $cursor, (string) $limit, $services->ids());
    });
}

function pugmark_setup($options, $user)
{
    return pugmark_answer('pugmark.setup', $user, function ($services) use ($options) {
        return $services->fields()->setUp($options);
    });
}

function pugmark_webhook($options, $user)
{
    return pugmark_answer('pugmark.webhook', $user, function ($services) use ($options) {
        return $services->receiver()->set($options);
    });
}
