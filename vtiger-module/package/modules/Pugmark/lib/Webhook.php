<?php
/** A message in the form of Standard Webhooks (standardwebhooks.com). */
final class PugmarkWebhook
{
    const TYPES = array('created' => 'record.created', 'updated' => 'record.updated', 'deleted' => 'record.deleted',
        'restored' => 'record.restored', 'converted' => 'lead.converted');

    /** The bytes of a secret. @throws PugmarkRefused INVALID_INPUT, without the secret */
    public static function key(string $secret): string
    {
        $bytes = strpos($secret, 'whsec_') === 0 ? base64_decode(substr($secret, 6), true) : false;
        if ($bytes === false || strlen($bytes) < 24 || strlen($bytes) > 64) {
            throw new PugmarkRefused('INVALID_INPUT', 'The secret must be whsec_ and the base64 of 24 to 64 bytes');
        }
        return $bytes;
    }

    /** The signature header's value. @param int $timestamp unix seconds */
    public static function signature(string $secret, string $id, int $timestamp, string $body): string
    {
        $signed = $id . '.' . $timestamp . '.' . $body;
        return 'v1,' . base64_encode(hash_hmac('sha256', $signed, self::key($secret), true));
    }

    /** The message's id: one for each outbox row, the same at every attempt. */
    public static function id(string $installation, array $row): string
    {
        return 'msg_' . $installation . '_' . $row['id'];
    }

    /** The body, the same at every attempt. @param callable $id gives a record's id from module and number */
    public static function body(string $messageId, array $row, callable $id): string
    {
        $data = array('module' => $row['module'], 'id' => $id($row['module'], $row['crmid']));
        foreach (array('contact' => 'Contacts', 'account' => 'Accounts', 'potential' => 'Potentials') as $name => $module) {
            if (isset($row['detail'][$name])) {
                $data[$name] = $id($module, $row['detail'][$name]);
            }
        }
        if ($row['crm_user'] !== null && $row['kind'] !== 'converted') {
            $data['crm_user'] = $id('Users', $row['crm_user']);
        }
        return json_encode(array('id' => $messageId, 'type' => self::TYPES[$row['kind']],
            'timestamp' => str_replace(' ', 'T', $row['at']) . 'Z', 'data' => $data), JSON_UNESCAPED_SLASHES);
    }

    /** @return string[] header lines */
    public static function headers(string $secret, string $id, int $timestamp, string $body): array
    {
        return array('content-type: application/json', 'user-agent: Pugmark-vTiger/1', 'webhook-id: ' . $id,
            'webhook-timestamp: ' . $timestamp, 'webhook-signature: ' . self::signature($secret, $id, $timestamp, $body));
    }
}
