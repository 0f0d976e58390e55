<?php
final class PugmarkCurl implements PugmarkHttp
{
    const CONNECT_SECONDS = 5;

    private $seconds;

    public function __construct(int $seconds)
    {
        $this->seconds = $seconds;
    }

    public function post(string $url, array $headers, string $body): int
    {
        $curl = curl_init($url);
        curl_setopt_array($curl, array(
            CURLOPT_POST => true,
            CURLOPT_POSTFIELDS => $body,
            // No "Expect: 100-continue": it would cost a round trip, or a second of waiting.
            CURLOPT_HTTPHEADER => array_merge($headers, array('expect:')),
            CURLOPT_CONNECTTIMEOUT => self::CONNECT_SECONDS,
            CURLOPT_TIMEOUT => $this->seconds,
            CURLOPT_FOLLOWLOCATION => false,
            CURLOPT_PROTOCOLS => CURLPROTO_HTTP | CURLPROTO_HTTPS,
            CURLOPT_SSL_VERIFYPEER => true,
            CURLOPT_SSL_VERIFYHOST => 2,
            // The answer's body tells us nothing, and is not kept however long it is.
            CURLOPT_WRITEFUNCTION => function ($curl, $part) {
                return strlen($part);
            },
        ));
        curl_exec($curl);
        return (int) curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
    }
}

final class PugmarkSystemClock implements PugmarkClock
{
    public function now(): int
    {
        return time();
    }
}
