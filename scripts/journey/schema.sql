-- The Complete Journey, as its files are, in types that say what the values mean. Keys and indexes come after the load.

-- Not in the files: every household that any of them names, so that foreign keys have something to point to.
create table households (
  household_id integer not null
);

create table demographics (
  household_id integer not null,
  age text,
  income text,
  home_ownership text,
  marital_status text,
  household_size text,
  household_comp text,
  kids_count text
);

create table products (
  product_id integer not null,
  manufacturer_id integer,
  department text not null,
  brand text not null,
  product_category text,
  product_type text,
  package_size text
);

create table campaign_descriptions (
  campaign_id integer not null,
  campaign_type text not null,
  start_date date not null,
  end_date date not null
);

-- Which household was targeted by which campaign.
create table campaigns (
  campaign_id integer not null,
  household_id integer not null
);

-- The file repeats 4,872 lines word for word; a number of our own tells them apart.
create table coupons (
  coupon_line integer not null,
  coupon_upc bigint not null,
  product_id integer not null,
  campaign_id integer not null
);

create table coupon_redemptions (
  household_id integer not null,
  coupon_upc bigint not null,
  campaign_id integer not null,
  redemption_date date not null
);

-- Not in the files: where expired redemptions go as sums.
create table redemptions_daily (
  campaign_id integer not null,
  day date not null,
  n bigint not null
);

-- A line of a receipt; a basket has each product once. The time is that of the whole basket.
create table transactions (
  household_id integer not null,
  store_id integer not null,
  basket_id bigint not null,
  product_id integer not null,
  quantity integer not null,
  sales_value numeric(10, 2) not null,
  retail_disc numeric(10, 2) not null,
  coupon_disc numeric(10, 2) not null,
  coupon_match_disc numeric(10, 2) not null,
  week smallint not null,
  transaction_timestamp timestamptz not null
);

-- after the load

alter table households add primary key (household_id);

alter table products add primary key (product_id);
alter table campaign_descriptions add primary key (campaign_id);
alter table redemptions_daily add primary key (campaign_id, day);

alter table demographics add primary key (household_id);
alter table demographics add foreign key (household_id) references households;

alter table campaigns add primary key (campaign_id, household_id);
alter table campaigns add foreign key (campaign_id) references campaign_descriptions;
alter table campaigns add foreign key (household_id) references households;
create index on campaigns (household_id);

-- Six products of coupons and seventeen of transactions are missing from the products file: no foreign key there.
alter table coupons add primary key (coupon_line);
alter table coupons add foreign key (campaign_id) references campaign_descriptions;
create index on coupons (campaign_id);

alter table coupon_redemptions add primary key (household_id, coupon_upc, campaign_id, redemption_date);
alter table coupon_redemptions add foreign key (household_id) references households;
alter table coupon_redemptions add foreign key (campaign_id, household_id) references campaigns;
create index on coupon_redemptions (campaign_id, household_id);
create index on coupon_redemptions (redemption_date);

alter table transactions add primary key (basket_id, product_id);
alter table transactions add foreign key (household_id) references households;
create index on transactions (household_id);
create index on transactions (transaction_timestamp);
