import type { CatalogColumn } from '../catalog.ts';

/** What words in the name of a column say about it. */
export interface ColumnRule {
  readonly words: string;
  readonly category: string;
  readonly says: string;
  readonly identifying?: true;
  readonly protected?: string;
  readonly special?: string;
  readonly identity?: 'email' | 'phone';
  /** Types for which the words mean something else. */
  readonly not?: readonly CatalogColumn['typeCategory'][];
}

const FLAGS = ['boolean', 'time'] as const;

/** The first rule whose words stand in the name wins, so the more specific come first. */
export const COLUMN_RULES: readonly ColumnRule[] = [
  {
    words: 'email|mail_address|email_address',
    category: 'contact',
    says: 'an e-mail address',
    identifying: true,
    identity: 'email',
    not: ['boolean', 'time', 'number'],
  },
  {
    words: 'phone|mobile|cell|telephone|tel|fax|msisdn|phone_number|mobile_number',
    category: 'contact',
    says: 'a phone number',
    identifying: true,
    identity: 'phone',
    not: FLAGS,
  },
  {
    words: 'ssn|social_security|national_id|passport|passport_no|tax_id|driving_licen[cs]e|id_card|personnummer',
    category: 'government_id',
    says: 'an official number',
    identifying: true,
    not: FLAGS,
  },
  {
    words: 'iban|bic|card_number|credit_card|bank_account|account_number|cardholder',
    category: 'financial',
    says: 'a bank or card number',
    identifying: true,
    not: FLAGS,
  },
  {
    words:
      'password|passwd|pwd|passphrase|secret|api_key|access_key|private_key|secret_key|signing_key|encryption_key|access_token|refresh_token|otp|totp|salt|backup_codes|recovery_codes|credential|auth(?!_(provider|method|type|mode|source|level|scheme|domain))',
    category: 'credential',
    says: 'a credential',
    not: [...FLAGS, 'number'],
  },
  { words: 'religion|faith', category: 'demographic', says: 'a religion (Art. 9)', special: 'religion' },
  { words: 'ethnicity|race|ethnic', category: 'demographic', says: 'an ethnic origin (Art. 9)', special: 'ethnicity' },
  {
    words: 'diagnosis|disease|disability|blood_type|medication|allergy|allergies|health|medical',
    category: 'health',
    says: 'health data (Art. 9)',
    special: 'health',
  },
  { words: 'sexual_orientation|orientation', category: 'demographic', says: 'a sexual orientation (Art. 9)', special: 'orientation' },
  {
    words: 'union_member|trade_union|political|party_membership',
    category: 'demographic',
    says: 'a conviction (Art. 9)',
    special: 'belief',
  },
  {
    words: 'birth|birthday|birthdate|dob|birth_date|date_of_birth|birth_year|age|age_band|age_group',
    category: 'demographic',
    says: 'an age',
    protected: 'age',
  },
  { words: 'gender|sex|salutation', category: 'demographic', says: 'a gender', protected: 'gender' },
  { words: 'nationality|citizenship', category: 'demographic', says: 'a nationality', protected: 'nationality' },
  {
    words:
      'marital|marital_status|household_size|household_comp|kids|children|kids_count|income|education|occupation|job_title|homeowner|home_ownership',
    category: 'demographic',
    says: 'a circumstance of life',
  },
  {
    words:
      'first_name|last_name|firstname|lastname|surname|given_name|family_name|full_name|fullname|middle_name|nickname|display_name|username|user_name|login|recipient|contact_name|billing_name|customer_name|maiden_name|screen_name|handle',
    category: 'contact',
    says: 'a name of a person',
    identifying: true,
    not: FLAGS,
  },
  { words: 'ip|ip_address|ipaddr|ip_addr|client_ip|remote_addr', category: 'device', says: 'an IP address', identifying: true, not: FLAGS },
  {
    words: 'mac_address|imei|idfa|gaid|advertising_id|device_token|push_token|fingerprint|cookie|cookie_id',
    category: 'device',
    says: 'an identifier of a device',
    identifying: true,
    not: FLAGS,
  },
  {
    words: 'token(?!_(type|count|kind|name|expires|expiry))',
    category: 'credential',
    says: 'a token that stands for somebody',
    not: [...FLAGS, 'number'],
  },
  {
    words: 'user_agent|useragent|browser|device|os|platform|session|session_id|device_type',
    category: 'device',
    says: 'a device',
    not: ['time'],
  },
  {
    words: 'street|address|addr|address_line|house_number|line1|line2|address1|address2',
    category: 'location',
    says: 'an address',
    identifying: true,
    not: FLAGS,
  },
  { words: 'lat|latitude|lng|lon|longitude|geo|geom|location|coordinates|gps', category: 'location', says: 'a place', not: FLAGS },
  {
    words: 'zip|zipcode|zip_code|postcode|postal_code|city|town|country|country_code|region|province|county|state_code|timezone|locale',
    category: 'location',
    says: 'a place',
    not: FLAGS,
  },
  {
    words:
      'body|note|notes|filename|file_name|original_filename|comment|comments|message|free_text|freetext|text|remark|remarks|feedback|bio|about|answer_text|review_text|transcript|content',
    category: 'free_text',
    says: 'free text',
    not: ['boolean', 'time', 'number', 'enum'],
  },
  {
    words:
      'amount|price|total|subtotal|salary|revenue|spend|spent|balance|paid|payment|discount|tax|vat|currency|cost|value|sales_value|fee',
    category: 'financial',
    says: 'money',
    not: FLAGS,
  },
  {
    words:
      'url|path|page|referrer|referer|utm|utm_source|utm_medium|utm_campaign|click|clicks|visit|visits|views|search|query|event|event_type|last_seen|last_login|last_active|score|segment|lifecycle|quantity|kind|channel|rating|choice',
    category: 'behaviour',
    says: 'behaviour',
  },
  {
    words: 'last_seen_at|last_login_at|last_active_at|seen|viewed|visited|clicked|opened|ordered|placed',
    category: 'behaviour',
    says: 'behaviour',
  },
];
