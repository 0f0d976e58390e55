<?php
/** Who receives the outbox: an address, a secret, modules, and a switch. */
final class PugmarkReceiver
{
    private $settings;
    private $isModule;

    /** @param callable $isModule tells whether a module of this name has records */
    public function __construct(PugmarkSettings $settings, callable $isModule)
    {
        $this->settings = $settings;
        $this->isModule = $isModule;
    }

    /** Sets what is given and leaves the rest. The answer does not hold the secret. @throws PugmarkRefused INVALID_INPUT */
    public function set($options): array
    {
        $options = PugmarkInput::object($options, 'options');
        $url = array_key_exists('url', $options) ? PugmarkInput::text($options, 'url', 2000) : $this->settings->text('webhook_url');
        $secret = array_key_exists('secret', $options) ? PugmarkInput::text($options, 'secret') : $this->settings->text('webhook_secret');
        $modules = array_key_exists('modules', $options) ? PugmarkInput::modules($options['modules'])
            : $this->settings->items('webhook_modules');
        $enabled = PugmarkInput::flag($options, 'enabled', $this->settings->flag('webhook_enabled'));
        foreach ($modules as $module) {
            if (!call_user_func($this->isModule, $module)) {
                throw new PugmarkRefused('INVALID_INPUT', "There is no module $module");
            }
        }
        if ($enabled && ($url === '' || $secret === '')) {
            throw new PugmarkRefused('INVALID_INPUT', 'Sending needs a url and a secret');
        }
        $this->settings->putAll(array('webhook_url' => $url, 'webhook_secret' => $secret,
            'webhook_modules' => implode(',', $modules), 'webhook_enabled' => $enabled ? '1' : '0',
            // What is sent must be written down first.
            'modules' => implode(',', array_unique(array_merge($this->settings->items('modules'), $modules)))));
        return array('url' => $url, 'secret' => $secret !== '', 'modules' => $modules, 'enabled' => $enabled);
    }
}
