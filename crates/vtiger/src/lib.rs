//! A client for vTiger CRM.
