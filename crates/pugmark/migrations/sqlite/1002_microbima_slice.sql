-- Standalone: MicroBima's own table with its own names and columns. Text and dates are stored as text, instants as
-- integer microseconds, so that any program that writes SQLite can write a customer. What such a program executes (defaults
-- and triggers) keeps to SQLite 3.37: unixepoch('subsec'), for one, is NULL before 3.42 and would fail its insert.
CREATE TABLE customers (
    "id"                        TEXT PRIMARY KEY NOT NULL,
    "firstName"                 TEXT NOT NULL CHECK (length("firstName") <= 50),
    "middleName"                TEXT CHECK (length("middleName") <= 50),
    "lastName"                  TEXT NOT NULL CHECK (length("lastName") <= 50),
    "email"                     TEXT UNIQUE,
    "phoneNumber"               TEXT NOT NULL CHECK (length("phoneNumber") <= 20),
    "dateOfBirth"               TEXT,
    "gender"                    TEXT,
    "idType"                    TEXT NOT NULL,
    "idNumber"                  TEXT NOT NULL CHECK (length("idNumber") <= 20),
    "status"                    TEXT NOT NULL DEFAULT 'PENDING_KYC',
    "onboardingStep"            TEXT NOT NULL DEFAULT 'BASIC_INFO',
    "createdByPartnerId"        INTEGER NOT NULL DEFAULT 1,
    "hasMissingRequirements"    INTEGER NOT NULL DEFAULT 0,
    "createdAt"                 INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "updatedAt"                 INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    "createdBy"                 TEXT,
    "updatedBy"                 TEXT,
    "isTestUser"                INTEGER NOT NULL DEFAULT 0,
    "defaultMessagingLanguage"  TEXT NOT NULL DEFAULT 'en',
    "portalPinSetupCompletedAt" INTEGER,
    "deactivatedAt"             INTEGER,
    UNIQUE ("idType", "idNumber")
);
CREATE INDEX customers_newest ON customers ("createdAt" DESC, "id" DESC);
