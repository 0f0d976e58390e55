// Drives the look-alike of Maxio with the vendor's own client, step by step. Every step is asserted here and printed as one
// line of JSON: {"step", "status", "body"}, the body as it came. Takes the sandbox's address and the site's key from the
// environment.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const axios = require('axios');
const sdk = require('@maxio-com/advanced-billing-sdk');

const origin = new URL(process.env.MAXIO_URL);
const key = process.env.MAXIO_KEY;

/// Nobody's, with right check digits.
const iban = 'IE29AIBK93115212345678';

// The client knows no address but the vendor's: the request is turned to the sandbox on its way out.
const toSandbox = (config) => {
  const url = new URL(config.url);
  assert.equal(url.host, 'acme-test.chargify.com');
  url.protocol = origin.protocol;
  url.host = origin.host;
  return axios.getAdapter('http')({ ...config, url: url.toString(), proxy: false });
};

const clientWith = (username) =>
  new sdk.Client({
    basicAuthCredentials: { username, password: 'x' },
    environment: sdk.Environment.US,
    site: 'acme-test',
    unstable_httpClientOptions: { adapter: toSandbox },
    httpClientOptions: { timeout: 20000, retryConfig: { maxNumberOfRetries: 0 } },
  });

const client = clientWith(key);
const customers = new sdk.CustomersController(client);
const profiles = new sdk.PaymentProfilesController(client);
const subscriptions = new sdk.SubscriptionsController(client);
const states = new sdk.SubscriptionStatusController(client);
const products = new sdk.ProductsController(client);
const sites = new sdk.SitesController(client);
const webhooks = new sdk.WebhooksController(client);

const print = (step, status, body) => console.log(JSON.stringify({ step, status, body }));

/// A step that succeeds; gives what the client made of the answer.
const succeeds = async (step, status, call) => {
  const answer = await call();
  assert.equal(answer.statusCode, status, step);
  print(step, answer.statusCode, answer.body);
  return answer.result;
};

/// A step that the client turns into an error of this class; gives what it made of the body. Its general class makes nothing
/// of it.
const fails = async (step, status, kind, call) => {
  let thrown;
  try {
    await call();
  } catch (error) {
    thrown = error;
  }
  assert.ok(thrown instanceof kind, `${step}: ${thrown}`);
  assert.equal(thrown.constructor.name, kind.name, step);
  assert.equal(thrown.statusCode, status, step);
  print(step, thrown.statusCode, thrown.body);
  return thrown.result;
};

const john = {
  firstName: 'John',
  lastName: 'Doe',
  email: 'contact@acmecorp.example',
  organization: 'Acme Corp Ltd',
  reference: '10x456',
  city: 'Dublin',
  zip: 'D02 X285',
  country: 'IE',
};

const bankAccount = {
  paymentType: 'bank_account',
  bankName: 'Allied Irish Banks',
  bankIban: iban,
  billingAddress: '1 Main Street',
  billingCity: 'Dublin',
  billingZip: 'D02 X285',
  billingCountry: 'IE',
};

const customer = await customerSteps();
const profile = await profileSteps(customer);
await subscriptionSteps(customer, profile);
await otherSteps();

async function customerSteps() {
  const created = await succeeds('customer.create', 201, () => customers.createCustomer({ customer: john }));
  assert.equal(created.customer.reference, '10x456');
  assert.equal(created.customer.firstName, 'John');
  assert.equal(typeof created.customer.id, 'number');

  const duplicate = await fails('customer.duplicate', 422, sdk.CustomerErrorResponseError, () =>
    customers.createCustomer({ customer: john }),
  );
  assert.deepEqual(duplicate.errors, ['Reference: must be unique - that value has been taken.']);

  const blank = await fails('customer.blank', 422, sdk.CustomerErrorResponseError, () =>
    customers.createCustomer({ customer: { firstName: '', lastName: '', email: 'nobody' } }),
  );
  assert.equal(blank.errors.length, 3);

  const unwrapped = await fails('customer.unwrapped', 422, sdk.CustomerErrorResponseError, () =>
    customers.createCustomer(),
  );
  assert.equal(unwrapped.errors.customer, "can't be blank");

  const found = await succeeds('customer.lookup', 200, () => customers.readCustomerByReference('10x456'));
  assert.equal(found.customer.id, created.customer.id);
  await fails('customer.unknown', 404, sdk.ApiError, () => customers.readCustomerByReference('nobody'));

  const updated = await succeeds('customer.update', 200, () =>
    customers.updateCustomer(created.customer.id, { customer: { city: 'Cork' } }),
  );
  assert.equal(updated.customer.city, 'Cork');

  const listed = await succeeds('customer.list', 200, () => customers.listCustomers({ q: 'acme', page: 1, perPage: 50 }));
  assert.deepEqual(listed.map((one) => one.customer.reference), ['10x456']);
  return created.customer.id;
}

async function profileSteps(customerId) {
  const created = await succeeds('payment_profile.create', 201, () =>
    profiles.createPaymentProfile({ paymentProfile: { customerId, ...bankAccount } }),
  );
  assert.equal(created.paymentProfile.paymentType, 'bank_account');
  assert.equal(created.paymentProfile.maskedBankAccountNumber, 'XXXX5678');

  await fails('payment_profile.nobody', 404, sdk.ApiError, () =>
    profiles.createPaymentProfile({ paymentProfile: { customerId: 1, ...bankAccount } }),
  );

  const card = await fails('payment_profile.card', 422, sdk.ErrorListResponseError, () =>
    profiles.createPaymentProfile({ paymentProfile: { customerId } }),
  );
  assert.equal(card.errors.length, 3);

  const listed = await succeeds('payment_profile.list', 200, () => profiles.listPaymentProfiles({ customerId }));
  assert.equal(listed.length, 1);
  return created.paymentProfile.id;
}

async function subscriptionSteps(customerId, profileId) {
  const signup = { customerReference: '10x456', productHandle: 'default-hr-package', reference: 'lead-10x456' };

  const unpaid = await fails('subscription.unpaid', 422, sdk.ErrorListResponseError, () =>
    subscriptions.createSubscription({ subscription: signup }),
  );
  assert.deepEqual(unpaid.errors, ['No payment method was on file for the \u20ac299.00 balance']);

  const created = await succeeds('subscription.create', 201, () =>
    subscriptions.createSubscription({ subscription: { ...signup, bankAccountAttributes: bankAccount } }),
  );
  const { subscription } = created;
  assert.equal(subscription.state, 'active');
  assert.equal(subscription.customer.id, customerId);
  assert.equal(subscription.product.handle, 'default-hr-package');
  assert.equal(subscription.bankAccount.maskedBankAccountNumber, 'XXXX5678');
  assert.notEqual(subscription.bankAccount.id, profileId);

  const duplicate = await fails('subscription.duplicate', 422, sdk.ErrorListResponseError, () =>
    subscriptions.createSubscription({ subscription: { ...signup, bankAccountAttributes: bankAccount } }),
  );
  assert.deepEqual(duplicate.errors, ['Reference: must be unique - that value has been taken.']);

  const { id } = subscription;
  const read = await succeeds('subscription.read', 200, () => subscriptions.readSubscription(id));
  assert.equal(BigInt(read.subscription.currentBillingAmountInCents), 29900n);
  const found = await succeeds('subscription.lookup', 200, () => subscriptions.findSubscription('lead-10x456'));
  assert.equal(found.subscription.id, id);
  await fails('subscription.unknown', 404, sdk.ApiError, () => subscriptions.findSubscription('nothing'));
  const list = await succeeds('customer.subscriptions', 200, () => customers.listCustomerSubscriptions(customerId));
  assert.deepEqual(list.map((one) => one.subscription.id), [id]);

  const changed = await succeeds('subscription.change_payment_profile', 200, () =>
    profiles.changeSubscriptionDefaultPaymentProfile(id, profileId),
  );
  assert.equal(changed.paymentProfile.id, profileId);
  const delayed = await succeeds('subscription.update', 200, () =>
    subscriptions.updateSubscription(id, { subscription: { nextBillingAt: '2099-01-31' } }),
  );
  assert.ok(delayed.subscription.currentPeriodEndsAt.startsWith('2099-01-31T12:00:00'));

  await endings(id, customerId);
}

async function endings(id, customerId) {
  const held = await succeeds('subscription.hold', 200, () => states.pauseSubscription(id));
  assert.equal(held.subscription.state, 'on_hold');
  const resumed = await succeeds('subscription.resume', 200, () => states.resumeSubscription(id));
  assert.equal(resumed.subscription.state, 'active');
  const pending = await succeeds('subscription.delayed_cancel', 200, () => states.initiateDelayedCancellation(id));
  assert.equal(typeof pending.message, 'string');
  await succeeds('subscription.keep', 200, () => states.cancelDelayedCancellation(id));

  const canceled = await succeeds('subscription.cancel', 200, () =>
    states.cancelSubscription(id, { subscription: { cancellationMessage: 'Left' } }),
  );
  assert.equal(canceled.subscription.state, 'canceled');
  assert.equal(canceled.subscription.cancellationMethod, 'merchant_api');
  await fails('subscription.cancel_twice', 422, sdk.ApiError, () => states.cancelSubscription(id));

  const active = await succeeds('subscription.reactivate', 200, () => states.reactivateSubscription(id));
  assert.equal(active.subscription.state, 'active');
  await fails('subscription.activate', 422, sdk.ApiError, () => subscriptions.activateSubscription(id));
  const purged = await succeeds('subscription.purge', 200, () => subscriptions.purgeSubscription(id, customerId));
  assert.equal(purged.subscription.id, id);
  await succeeds('customer.delete', 204, () => customers.deleteCustomer(customerId));
}

async function otherSteps() {
  const product = await succeeds('product.lookup', 200, () => products.readProductByHandle('default-hr-package'));
  assert.equal(BigInt(product.product.priceInCents), 29900n);
  const site = await succeeds('site.read', 200, () => sites.readSite());
  assert.equal(site.site.relationshipInvoicingEnabled, true);

  const endpoint = await succeeds('endpoint.create', 201, () =>
    webhooks.createEndpoint({
      endpoint: { url: 'https://receiver.example/hook', webhookSubscriptions: ['subscription_state_change'] },
    }),
  );
  assert.equal(endpoint.endpoint.status, 'enabled');
  const endpoints = await succeeds('endpoint.list', 200, () => webhooks.listEndpoints());
  assert.deepEqual(endpoints.map((one) => one.id), [endpoint.endpoint.id]);
  await succeeds('webhook.list', 200, () => webhooks.listWebhooks({ status: 'failed' }));

  const stranger = new sdk.CustomersController(clientWith('stranger'));
  await fails('access.denied', 401, sdk.ApiError, () => stranger.readCustomerByReference('10x456'));
}
