-- Standalone: MicroBima's own table with its own names, columns and enum types. A database that MicroBima made has
-- the table already; nothing of it is touched then.
DO $slice$
BEGIN
    IF to_regclass('public.customers') IS NULL THEN
        CREATE TYPE public."Gender" AS ENUM ('MALE', 'FEMALE', 'OTHER', 'PREFER_NOT_TO_SAY');
        CREATE TYPE public."IdType" AS ENUM ('NATIONAL_ID', 'PASSPORT', 'ALIEN', 'BIRTH_CERTIFICATE', 'MILITARY');
        CREATE TYPE public."CustomerStatus" AS ENUM (
            'PENDING_KYC', 'KYC_VERIFIED', 'ACTIVE', 'SUSPENDED', 'TERMINATED', 'PENDING_ACTIVATION', 'DELETED', 'DEACTIVATED'
        );
        CREATE TYPE public."OnboardingStep" AS ENUM (
            'BASIC_INFO', 'KYC_VERIFICATION', 'PLAN_SELECTION', 'PAYMENT_SETUP', 'ACTIVE'
        );
        CREATE TABLE public.customers (
            "id"                        UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            "firstName"                 VARCHAR(50) NOT NULL,
            "middleName"                VARCHAR(50),
            "lastName"                  VARCHAR(50) NOT NULL,
            "email"                     TEXT UNIQUE,
            "phoneNumber"               VARCHAR(20) NOT NULL,
            "dateOfBirth"               DATE,
            "gender"                    public."Gender",
            "idType"                    public."IdType" NOT NULL,
            "idNumber"                  VARCHAR(20) NOT NULL,
            "status"                    public."CustomerStatus" NOT NULL DEFAULT 'PENDING_KYC',
            "onboardingStep"            public."OnboardingStep" NOT NULL DEFAULT 'BASIC_INFO',
            "createdByPartnerId"        INTEGER NOT NULL DEFAULT 1,
            "hasMissingRequirements"    BOOLEAN NOT NULL DEFAULT FALSE,
            "createdAt"                 TIMESTAMP(3) NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
            "updatedAt"                 TIMESTAMP(3) NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
            "createdBy"                 TEXT,
            "updatedBy"                 TEXT,
            "isTestUser"                BOOLEAN NOT NULL DEFAULT FALSE,
            "defaultMessagingLanguage"  VARCHAR(5) NOT NULL DEFAULT 'en',
            "portalPinSetupCompletedAt" TIMESTAMP(3),
            "deactivatedAt"             TIMESTAMP(3),
            UNIQUE ("idType", "idNumber")
        );
        CREATE INDEX customers_newest ON public.customers ("createdAt" DESC, "id" DESC);
    END IF;
END
$slice$;
