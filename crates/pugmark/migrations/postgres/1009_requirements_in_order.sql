-- Lists of missing requirements, newest first, of all of them and of those of one status. Nothing is added to tables that are
-- MicroBima's own.
DO $slice$
BEGIN
    IF EXISTS (SELECT 1 FROM pugmark.settings WHERE name = 'slice.mode' AND value = '"standalone"') THEN
        CREATE INDEX missing_requirements_newest ON public.missing_requirements ("createdAt" DESC, "id" DESC);
        CREATE INDEX missing_requirements_status ON public.missing_requirements ("status", "createdAt" DESC, "id" DESC);
    END IF;
END
$slice$;
