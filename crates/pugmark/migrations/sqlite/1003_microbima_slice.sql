-- Standalone: the rest of MicroBima's slice, under its own names and columns, in the forms that 1002 explains. Amounts are
-- shillings as MicroBima writes them; reading turns them into cents. One partner and one package are there from the start,
-- because policies and ambassadors must point to one.
CREATE TABLE partners (
    "id"              INTEGER PRIMARY KEY AUTOINCREMENT,
    "partnerName"     TEXT NOT NULL,
    "website"         TEXT,
    "officeLocation"  TEXT,
    "isActive"        INTEGER NOT NULL DEFAULT 1,
    "createdAt"       INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "updatedAt"       INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "createdBy"       TEXT,
    "updatedBy"       TEXT
);

CREATE TABLE packages (
    "id"                 INTEGER PRIMARY KEY AUTOINCREMENT,
    "name"               TEXT NOT NULL CHECK (length("name") <= 100),
    "description"        TEXT NOT NULL CHECK (length("description") <= 500),
    "isActive"           INTEGER NOT NULL DEFAULT 1,
    "createdAt"          INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "updatedAt"          INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "createdBy"          TEXT NOT NULL,
    "slug"               TEXT UNIQUE CHECK (length("slug") <= 100),
    "parentsSupported"   INTEGER NOT NULL DEFAULT 0,
    "maximumFamilySize"  INTEGER NOT NULL DEFAULT 8
);

CREATE TABLE package_plans (
    "id"         INTEGER PRIMARY KEY AUTOINCREMENT,
    "name"       TEXT NOT NULL CHECK (length("name") <= 200),
    "packageId"  INTEGER NOT NULL REFERENCES packages ("id") ON DELETE RESTRICT,
    "isActive"   INTEGER NOT NULL DEFAULT 1,
    "createdAt"  INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "createdBy"  TEXT NOT NULL,
    "updatedAt"  INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "updatedBy"  TEXT NOT NULL,
    "sortOrder"  INTEGER NOT NULL DEFAULT 0,
    UNIQUE ("packageId", "name")
);

CREATE TABLE package_schemes (
    "id"         INTEGER PRIMARY KEY AUTOINCREMENT,
    "packageId"  INTEGER NOT NULL REFERENCES packages ("id") ON DELETE RESTRICT,
    "schemeId"   INTEGER NOT NULL,
    "createdAt"  INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    UNIQUE ("packageId", "schemeId")
);

CREATE TABLE partner_customers (
    "id"                 INTEGER PRIMARY KEY AUTOINCREMENT,
    "partnerId"          INTEGER NOT NULL REFERENCES partners ("id") ON DELETE CASCADE,
    "customerId"         TEXT NOT NULL REFERENCES customers ("id") ON DELETE CASCADE,
    "partnerCustomerId"  TEXT NOT NULL,
    "createdAt"          INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "updatedAt"          INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    UNIQUE ("partnerId", "partnerCustomerId")
);

CREATE TABLE package_scheme_customers (
    "id"                 INTEGER PRIMARY KEY AUTOINCREMENT,
    "packageSchemeId"    INTEGER NOT NULL REFERENCES package_schemes ("id") ON DELETE RESTRICT,
    "partnerId"          INTEGER REFERENCES partners ("id") ON DELETE SET NULL,
    "customerId"         TEXT NOT NULL REFERENCES customers ("id") ON DELETE RESTRICT,
    "partnerCustomerId"  TEXT,
    "createdAt"          INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "updatedAt"          INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER))
);

CREATE TABLE policies (
    "id"                           TEXT PRIMARY KEY NOT NULL,
    "policyNumber"                 TEXT,
    "productName"                  TEXT NOT NULL,
    "status"                       TEXT NOT NULL DEFAULT 'PENDING_ACTIVATION',
    "startDate"                    INTEGER,
    "endDate"                      INTEGER,
    "premium"                      NUMERIC NOT NULL,
    "frequency"                    TEXT NOT NULL,
    "paymentCadence"               INTEGER NOT NULL,
    "customerId"                   TEXT NOT NULL REFERENCES customers ("id") ON DELETE CASCADE,
    "createdAt"                    INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "updatedAt"                    INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "packageId"                    INTEGER NOT NULL REFERENCES packages ("id") ON DELETE RESTRICT,
    "packagePlanId"                INTEGER REFERENCES package_plans ("id") ON DELETE RESTRICT,
    "paymentAcNumber"              TEXT CHECK (length("paymentAcNumber") <= 50),
    "deactivatedAt"                INTEGER,
    "supersedesPolicyId"           TEXT REFERENCES policies ("id") ON DELETE SET NULL,
    "supersededByPolicyId"         TEXT REFERENCES policies ("id") ON DELETE SET NULL,
    "inGracePeriod"                INTEGER NOT NULL DEFAULT 0,
    "graceEnteredAt"               INTEGER,
    "overdueAnchorDueDate"         INTEGER,
    "suspendedAt"                  INTEGER,
    "inactivatedAt"                INTEGER,
    "expiredAt"                    INTEGER,
    "staffNumber"                  TEXT CHECK (length("staffNumber") <= 50),
    "expectedInstallmentCount"     INTEGER,
    "nominalPaymentPeriodEndDate"  INTEGER,
    "annualPremium"                NUMERIC
);
CREATE INDEX policies_customer ON policies ("customerId");
CREATE UNIQUE INDEX policies_open ON policies ("customerId", "packageId") WHERE "status" IN ('ACTIVE', 'PENDING_ACTIVATION', 'SUSPENDED');
CREATE UNIQUE INDEX policies_number ON policies ("policyNumber") WHERE "policyNumber" IS NOT NULL;
CREATE UNIQUE INDEX policies_account ON policies ("paymentAcNumber") WHERE "paymentAcNumber" IS NOT NULL;

CREATE TABLE policy_payments (
    "id"                    INTEGER PRIMARY KEY AUTOINCREMENT,
    "policyId"              TEXT NOT NULL REFERENCES policies ("id") ON DELETE RESTRICT,
    "paymentType"           TEXT NOT NULL,
    "transactionReference"  TEXT NOT NULL UNIQUE CHECK (length("transactionReference") <= 50),
    "amount"                NUMERIC NOT NULL,
    "accountNumber"         TEXT CHECK (length("accountNumber") <= 50),
    "details"               TEXT CHECK (length("details") <= 500),
    "expectedPaymentDate"   INTEGER NOT NULL,
    "actualPaymentDate"     INTEGER,
    "paymentMessageBlob"    TEXT CHECK (length("paymentMessageBlob") <= 500),
    "createdAt"             INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "updatedAt"             INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "paymentStatus"         TEXT NOT NULL DEFAULT 'PENDING_STK_CALLBACK',
    "paymentSmsEnqueuedAt"  INTEGER,
    "detachedAt"            INTEGER,
    "detachedBy"            TEXT
);
CREATE INDEX policy_payments_policy ON policy_payments ("policyId");

CREATE TABLE dependants (
    "id"                    TEXT PRIMARY KEY NOT NULL,
    "customerId"            TEXT NOT NULL REFERENCES customers ("id") ON DELETE CASCADE,
    "firstName"             TEXT NOT NULL CHECK (length("firstName") <= 50),
    "middleName"            TEXT CHECK (length("middleName") <= 50),
    "lastName"              TEXT NOT NULL CHECK (length("lastName") <= 50),
    "dateOfBirth"           TEXT,
    "gender"                TEXT,
    "idType"                TEXT,
    "idNumber"              TEXT CHECK (length("idNumber") <= 20),
    "relationship"          TEXT NOT NULL,
    "isVerified"            INTEGER NOT NULL DEFAULT 0,
    "verifiedAt"            INTEGER,
    "verifiedBy"            TEXT,
    "createdByPartnerId"    INTEGER NOT NULL,
    "createdAt"             INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "updatedAt"             INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "email"                 TEXT CHECK (length("email") <= 100),
    "phoneNumber"           TEXT CHECK (length("phoneNumber") <= 20),
    "verificationRequired"  INTEGER NOT NULL DEFAULT 0,
    "deletedAt"             INTEGER,
    "deletedBy"             TEXT
);
CREATE INDEX dependants_customer ON dependants ("customerId");

CREATE TABLE beneficiaries (
    "id"            TEXT PRIMARY KEY NOT NULL,
    "customerId"    TEXT NOT NULL REFERENCES customers ("id") ON DELETE CASCADE,
    "firstName"     TEXT NOT NULL CHECK (length("firstName") <= 50),
    "middleName"    TEXT CHECK (length("middleName") <= 50),
    "lastName"      TEXT NOT NULL CHECK (length("lastName") <= 50),
    "relationship"  TEXT,
    "createdAt"     INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "updatedAt"     INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "deletedAt"     INTEGER
);
CREATE INDEX beneficiaries_customer ON beneficiaries ("customerId");

CREATE TABLE brand_ambassadors (
    "id"                        TEXT PRIMARY KEY NOT NULL,
    "userId"                    TEXT NOT NULL UNIQUE,
    "partnerId"                 INTEGER NOT NULL REFERENCES partners ("id") ON DELETE RESTRICT,
    "displayName"               TEXT NOT NULL,
    "phoneNumber"               TEXT CHECK (length("phoneNumber") <= 20),
    "perRegistrationRateCents"  INTEGER NOT NULL,
    "isActive"                  INTEGER NOT NULL DEFAULT 1,
    "createdAt"                 INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "updatedAt"                 INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "createdBy"                 TEXT,
    "updatedBy"                 TEXT
);

CREATE TABLE agent_registrations (
    "id"                  TEXT PRIMARY KEY NOT NULL,
    "baId"                TEXT NOT NULL REFERENCES brand_ambassadors ("id") ON DELETE RESTRICT,
    "customerId"          TEXT NOT NULL REFERENCES customers ("id") ON DELETE RESTRICT,
    "partnerId"           INTEGER NOT NULL REFERENCES partners ("id") ON DELETE RESTRICT,
    "registrationStatus"  TEXT NOT NULL DEFAULT 'IN_PROGRESS',
    "completedAt"         INTEGER,
    "createdAt"           INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "updatedAt"           INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER))
);
CREATE INDEX agent_registrations_customer ON agent_registrations ("customerId");

CREATE TABLE missing_requirements (
    "id"              TEXT PRIMARY KEY NOT NULL,
    "registrationId"  TEXT NOT NULL REFERENCES agent_registrations ("id") ON DELETE RESTRICT,
    "customerId"      TEXT NOT NULL REFERENCES customers ("id") ON DELETE RESTRICT,
    "partnerId"       INTEGER NOT NULL REFERENCES partners ("id") ON DELETE RESTRICT,
    "entityKind"      TEXT NOT NULL,
    "entityId"        TEXT,
    "fieldPath"       TEXT NOT NULL,
    "status"          TEXT NOT NULL DEFAULT 'PENDING',
    "resolvedAt"      INTEGER,
    "resolvedBy"      TEXT,
    "createdAt"       INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "updatedAt"       INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER))
);
CREATE INDEX missing_requirements_customer ON missing_requirements ("customerId");

CREATE TABLE entity_status_changes (
    "id"             TEXT PRIMARY KEY NOT NULL,
    "entityType"     TEXT NOT NULL,
    "customerId"     TEXT NOT NULL REFERENCES customers ("id") ON DELETE CASCADE,
    "policyId"       TEXT REFERENCES policies ("id") ON DELETE SET NULL,
    "fromStatus"     TEXT NOT NULL CHECK (length("fromStatus") <= 50),
    "toStatus"       TEXT NOT NULL CHECK (length("toStatus") <= 50),
    "reason"         TEXT NOT NULL CHECK (length("reason") <= 1000),
    "trigger"        TEXT NOT NULL,
    "changedBy"      TEXT NOT NULL,
    "correlationId"  TEXT CHECK (length("correlationId") <= 100),
    "metadata"       TEXT,
    "createdAt"      INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER))
);

CREATE TABLE test_customers (
    "id"           TEXT PRIMARY KEY NOT NULL,
    "name"         TEXT NOT NULL CHECK (length("name") <= 100),
    "phoneNumber"  TEXT NOT NULL UNIQUE CHECK (length("phoneNumber") <= 20),
    "createdAt"    INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "createdBy"    TEXT
);

INSERT INTO partners ("partnerName") VALUES ('Direct');
INSERT INTO packages ("name", "description", "createdBy") VALUES ('Standard', 'The package of policies that name none', 'pugmark');
