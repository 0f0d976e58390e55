-- MicroBima's tables as MicroBima makes them: native enums with mixed-case names, foreign keys, timestamp(3) holding UTC, row level
-- security on every table without a single policy, and the event trigger that switches it on for new tables in public.

CREATE FUNCTION public.enable_row_level_security() RETURNS event_trigger LANGUAGE plpgsql AS $body$
DECLARE
    command RECORD;
BEGIN
    FOR command IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE object_type IN ('table', 'partitioned table') LOOP
        IF command.schema_name = 'public' THEN
            EXECUTE format('ALTER TABLE IF EXISTS %s ENABLE ROW LEVEL SECURITY', command.object_identity);
        END IF;
    END LOOP;
END
$body$;
CREATE EVENT TRIGGER ensure_row_level_security ON ddl_command_end
    WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO') EXECUTE FUNCTION public.enable_row_level_security();

CREATE TYPE public."Gender" AS ENUM ('MALE', 'FEMALE', 'OTHER', 'PREFER_NOT_TO_SAY');
CREATE TYPE public."IdType" AS ENUM ('NATIONAL_ID', 'PASSPORT', 'ALIEN', 'BIRTH_CERTIFICATE', 'MILITARY');
CREATE TYPE public."CustomerStatus" AS ENUM ('PENDING_KYC', 'KYC_VERIFIED', 'ACTIVE', 'SUSPENDED', 'TERMINATED', 'PENDING_ACTIVATION', 'DELETED', 'DEACTIVATED');
CREATE TYPE public."OnboardingStep" AS ENUM ('BASIC_INFO', 'KYC_VERIFICATION', 'PLAN_SELECTION', 'PAYMENT_SETUP', 'ACTIVE');
CREATE TYPE public."DependantRelationship" AS ENUM ('SPOUSE', 'CHILD', 'PARENT', 'SIBLING', 'FRIEND', 'OTHER');
CREATE TYPE public."PolicyStatus" AS ENUM ('ACTIVE', 'SUSPENDED', 'TERMINATED', 'EXPIRED', 'PENDING_ACTIVATION', 'DEACTIVATED', 'INACTIVE');
CREATE TYPE public."PaymentFrequency" AS ENUM ('DAILY', 'WEEKLY', 'MONTHLY', 'QUARTERLY', 'ANNUALLY', 'CUSTOM');
CREATE TYPE public."PaymentType" AS ENUM ('MPESA', 'SASAPAY', 'BANK_TRANSFER', 'CHEQUE');
CREATE TYPE public."PaymentStatus" AS ENUM ('PENDING_STK_CALLBACK', 'COMPLETED_PENDING_RECEIPT', 'COMPLETED', 'OUTSTANDING', 'DETACHED');
CREATE TYPE public."RegistrationStatus" AS ENUM ('IN_PROGRESS', 'COMPLETED', 'CANCELLED');
CREATE TYPE public."RegistrationEntityKind" AS ENUM ('CUSTOMER', 'SPOUSE', 'CHILD', 'BENEFICIARY');
CREATE TYPE public."RegistrationMissingStatus" AS ENUM ('PENDING', 'RESOLVED', 'EXPIRED');
CREATE TYPE public."StatusChangeEntityType" AS ENUM ('POLICY', 'CUSTOMER');
CREATE TYPE public."StatusChangeTrigger" AS ENUM ('MANUAL_ADMIN', 'MODIFY_PRODUCT', 'PAYMENT_LIFECYCLE', 'SYSTEM');

CREATE TABLE public.partners (
    "id" SERIAL PRIMARY KEY,
    "partnerName" TEXT NOT NULL,
    "website" TEXT,
    "officeLocation" TEXT,
    "isActive" BOOLEAN NOT NULL DEFAULT TRUE,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    "createdBy" TEXT,
    "updatedBy" TEXT
);

CREATE TABLE public.packages (
    "id" SERIAL PRIMARY KEY,
    "name" VARCHAR(100) NOT NULL,
    "description" VARCHAR(500) NOT NULL,
    "isActive" BOOLEAN NOT NULL DEFAULT TRUE,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdBy" TEXT NOT NULL,
    "slug" VARCHAR(100) UNIQUE,
    "parentsSupported" BOOLEAN NOT NULL DEFAULT FALSE,
    "maximumFamilySize" INTEGER NOT NULL DEFAULT 8
);

CREATE TABLE public.package_plans (
    "id" SERIAL PRIMARY KEY,
    "name" VARCHAR(200) NOT NULL,
    "packageId" INTEGER NOT NULL REFERENCES public.packages ("id") ON DELETE RESTRICT,
    "isActive" BOOLEAN NOT NULL DEFAULT TRUE,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdBy" UUID NOT NULL,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    "updatedBy" UUID NOT NULL,
    "sortOrder" INTEGER NOT NULL DEFAULT 0,
    UNIQUE ("packageId", "name")
);

CREATE TABLE public.package_schemes (
    "id" SERIAL PRIMARY KEY,
    "packageId" INTEGER NOT NULL REFERENCES public.packages ("id") ON DELETE RESTRICT,
    "schemeId" INTEGER NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    UNIQUE ("packageId", "schemeId")
);

CREATE TABLE public.customers (
    "id" UUID NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    "firstName" VARCHAR(50) NOT NULL,
    "middleName" VARCHAR(50),
    "lastName" VARCHAR(50) NOT NULL,
    "email" TEXT UNIQUE,
    "phoneNumber" VARCHAR(20) NOT NULL,
    "dateOfBirth" DATE,
    "gender" public."Gender",
    "idType" public."IdType" NOT NULL,
    "idNumber" VARCHAR(20) NOT NULL,
    "status" public."CustomerStatus" NOT NULL DEFAULT 'PENDING_KYC',
    "onboardingStep" public."OnboardingStep" NOT NULL DEFAULT 'BASIC_INFO',
    "createdByPartnerId" INTEGER NOT NULL,
    "hasMissingRequirements" BOOLEAN NOT NULL DEFAULT FALSE,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    "createdBy" TEXT,
    "updatedBy" TEXT,
    "isTestUser" BOOLEAN NOT NULL DEFAULT FALSE,
    "defaultMessagingLanguage" VARCHAR(5) NOT NULL DEFAULT 'en',
    "portalPinSetupCompletedAt" TIMESTAMP(3),
    "deactivatedAt" TIMESTAMP(3),
    UNIQUE ("idType", "idNumber")
);

CREATE TABLE public.partner_customers (
    "id" SERIAL PRIMARY KEY,
    "partnerId" INTEGER NOT NULL REFERENCES public.partners ("id") ON DELETE CASCADE,
    "customerId" UUID NOT NULL REFERENCES public.customers ("id") ON DELETE CASCADE,
    "partnerCustomerId" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    UNIQUE ("partnerId", "partnerCustomerId")
);

CREATE TABLE public.package_scheme_customers (
    "id" SERIAL PRIMARY KEY,
    "packageSchemeId" INTEGER NOT NULL REFERENCES public.package_schemes ("id") ON DELETE RESTRICT,
    "partnerId" INTEGER REFERENCES public.partners ("id") ON DELETE SET NULL,
    "customerId" UUID NOT NULL REFERENCES public.customers ("id") ON DELETE RESTRICT,
    "partnerCustomerId" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE public.policies (
    "id" UUID NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    "policyNumber" TEXT,
    "productName" TEXT NOT NULL,
    "status" public."PolicyStatus" NOT NULL DEFAULT 'PENDING_ACTIVATION',
    "startDate" TIMESTAMP(3),
    "endDate" TIMESTAMP(3),
    "premium" NUMERIC(10,2) NOT NULL,
    "frequency" public."PaymentFrequency" NOT NULL,
    "paymentCadence" INTEGER NOT NULL,
    "customerId" UUID NOT NULL REFERENCES public.customers ("id") ON DELETE CASCADE,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    "packageId" INTEGER NOT NULL REFERENCES public.packages ("id") ON DELETE RESTRICT,
    "packagePlanId" INTEGER REFERENCES public.package_plans ("id") ON DELETE RESTRICT,
    "paymentAcNumber" VARCHAR(50),
    "deactivatedAt" TIMESTAMP(3),
    "supersedesPolicyId" UUID REFERENCES public.policies ("id") ON DELETE SET NULL,
    "supersededByPolicyId" UUID REFERENCES public.policies ("id") ON DELETE SET NULL,
    "inGracePeriod" BOOLEAN NOT NULL DEFAULT FALSE,
    "graceEnteredAt" TIMESTAMP(3),
    "overdueAnchorDueDate" TIMESTAMP(3),
    "suspendedAt" TIMESTAMP(3),
    "inactivatedAt" TIMESTAMP(3),
    "expiredAt" TIMESTAMP(3),
    "staffNumber" VARCHAR(50),
    "expectedInstallmentCount" INTEGER,
    "nominalPaymentPeriodEndDate" TIMESTAMP(3),
    "annualPremium" NUMERIC(10,2)
);

CREATE TABLE public.policy_payments (
    "id" SERIAL PRIMARY KEY,
    "policyId" UUID NOT NULL REFERENCES public.policies ("id") ON DELETE RESTRICT,
    "paymentType" public."PaymentType" NOT NULL,
    "transactionReference" VARCHAR(50) NOT NULL UNIQUE,
    "amount" NUMERIC(10,2) NOT NULL,
    "accountNumber" VARCHAR(50),
    "details" VARCHAR(500),
    "expectedPaymentDate" TIMESTAMP(3) NOT NULL,
    "actualPaymentDate" TIMESTAMP(3),
    "paymentMessageBlob" VARCHAR(500),
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    "paymentStatus" public."PaymentStatus" NOT NULL DEFAULT 'PENDING_STK_CALLBACK',
    "paymentSmsEnqueuedAt" TIMESTAMPTZ,
    "detachedAt" TIMESTAMPTZ,
    "detachedBy" UUID
);

CREATE TABLE public.dependants (
    "id" UUID NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    "customerId" UUID NOT NULL REFERENCES public.customers ("id") ON DELETE CASCADE,
    "firstName" VARCHAR(50) NOT NULL,
    "middleName" VARCHAR(50),
    "lastName" VARCHAR(50) NOT NULL,
    "dateOfBirth" DATE,
    "gender" public."Gender",
    "idType" public."IdType",
    "idNumber" VARCHAR(20),
    "relationship" public."DependantRelationship" NOT NULL,
    "isVerified" BOOLEAN NOT NULL DEFAULT FALSE,
    "verifiedAt" TIMESTAMP(3),
    "verifiedBy" UUID,
    "createdByPartnerId" INTEGER NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    "email" VARCHAR(100),
    "phoneNumber" VARCHAR(20),
    "verificationRequired" BOOLEAN NOT NULL DEFAULT FALSE,
    "deletedAt" TIMESTAMPTZ,
    "deletedBy" UUID
);

CREATE TABLE public.beneficiaries (
    "id" UUID NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    "customerId" UUID NOT NULL REFERENCES public.customers ("id") ON DELETE CASCADE,
    "firstName" VARCHAR(50) NOT NULL,
    "middleName" VARCHAR(50),
    "lastName" VARCHAR(50) NOT NULL,
    "relationship" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    "deletedAt" TIMESTAMPTZ
);

CREATE TABLE public.brand_ambassadors (
    "id" UUID NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    "userId" UUID NOT NULL UNIQUE,
    "partnerId" INTEGER NOT NULL REFERENCES public.partners ("id") ON DELETE RESTRICT,
    "displayName" TEXT NOT NULL,
    "phoneNumber" VARCHAR(20),
    "perRegistrationRateCents" INTEGER NOT NULL,
    "isActive" BOOLEAN NOT NULL DEFAULT TRUE,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,
    "createdBy" TEXT,
    "updatedBy" TEXT
);

CREATE TABLE public.agent_registrations (
    "id" UUID NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    "baId" UUID NOT NULL REFERENCES public.brand_ambassadors ("id") ON DELETE RESTRICT,
    "customerId" UUID NOT NULL REFERENCES public.customers ("id") ON DELETE RESTRICT,
    "partnerId" INTEGER NOT NULL REFERENCES public.partners ("id") ON DELETE RESTRICT,
    "registrationStatus" public."RegistrationStatus" NOT NULL DEFAULT 'IN_PROGRESS',
    "completedAt" TIMESTAMP(3),
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL
);

CREATE TABLE public.missing_requirements (
    "id" UUID NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    "registrationId" UUID NOT NULL REFERENCES public.agent_registrations ("id") ON DELETE RESTRICT,
    "customerId" UUID NOT NULL REFERENCES public.customers ("id") ON DELETE RESTRICT,
    "partnerId" INTEGER NOT NULL REFERENCES public.partners ("id") ON DELETE RESTRICT,
    "entityKind" public."RegistrationEntityKind" NOT NULL,
    "entityId" TEXT,
    "fieldPath" TEXT NOT NULL,
    "status" public."RegistrationMissingStatus" NOT NULL DEFAULT 'PENDING',
    "resolvedAt" TIMESTAMP(3),
    "resolvedBy" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL
);

CREATE TABLE public.entity_status_changes (
    "id" UUID NOT NULL PRIMARY KEY,
    "entityType" public."StatusChangeEntityType" NOT NULL,
    "customerId" UUID NOT NULL REFERENCES public.customers ("id") ON DELETE CASCADE,
    "policyId" UUID REFERENCES public.policies ("id") ON DELETE SET NULL,
    "fromStatus" VARCHAR(50) NOT NULL,
    "toStatus" VARCHAR(50) NOT NULL,
    "reason" VARCHAR(1000) NOT NULL,
    "trigger" public."StatusChangeTrigger" NOT NULL,
    "changedBy" UUID NOT NULL,
    "correlationId" VARCHAR(100),
    "metadata" JSONB,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE public.test_customers (
    "id" UUID NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    "name" VARCHAR(100) NOT NULL,
    "phoneNumber" VARCHAR(20) NOT NULL UNIQUE,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdBy" UUID
);

CREATE UNIQUE INDEX policies_open_key ON public.policies ("customerId", "packageId")
    WHERE "status" IN ('ACTIVE', 'PENDING_ACTIVATION', 'SUSPENDED');
CREATE UNIQUE INDEX policies_number_key ON public.policies ("policyNumber") WHERE "policyNumber" IS NOT NULL;
CREATE UNIQUE INDEX policies_account_key ON public.policies ("paymentAcNumber") WHERE "paymentAcNumber" IS NOT NULL;

INSERT INTO public.partners ("partnerName", "updatedAt") VALUES ('Maisha Poa', CURRENT_TIMESTAMP);
INSERT INTO public.packages ("name", "description", "createdBy") VALUES ('Family', 'For a family', 'setup');
