-- Lists of missing requirements, newest first, of all of them and of those of one status.
CREATE INDEX missing_requirements_newest ON missing_requirements ("createdAt" DESC, "id" DESC);
CREATE INDEX missing_requirements_status ON missing_requirements ("status", "createdAt" DESC, "id" DESC);
