BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE custody_checkpoint (
	number INTEGER NOT NULL, 
	size BIGINT NOT NULL, 
	root BLOB NOT NULL, 
	at_us BIGINT NOT NULL, 
	"key" TEXT NOT NULL, 
	note TEXT NOT NULL, 
	CONSTRAINT pk_custody_checkpoint PRIMARY KEY (number)
);
INSERT INTO "custody_checkpoint" VALUES(1,2,X'5447EBAE14DADEE5B3B0B14D97801D24D842909440E2A0604A8C6392637E6689',1767225600000000,'old.example/log+4e893b6b','old.example/log
2
VEfrrhTa3uWzsLFNl4AdJNhCkJRA4qBgSoxjkmN+Zok=
time_us 1767225600000000

— old.example/log Tok7a+yfOKu1uaphB7vJSjsyrmnc5UOH/nvcHI3GEMCDjbUSHxN26U6YZR/FSnR3xBeBoaZKhj1VAPaNHiGOvHcmiwI=
');
INSERT INTO "custody_checkpoint" VALUES(2,3,X'C2BCC11ACA45868FEEA6450CD849F539899AEC25A6E8A510C212D746F58AA931',1767225601000000,'old.example/log+4e893b6b','old.example/log
3
wrzBGspFho/upkUM2En1OYma7CWm6KUQwhLXRvWKqTE=
time_us 1767225601000000

— old.example/log Tok7a1Wr3nQBijnyMVK4pAas6cENO6vCbW3163zCvL3vg4BhifyJUUPHm4nNNQ4oWFGtd3sznrXsQ/3jObraFIoE7A8=
');
INSERT INTO "custody_checkpoint" VALUES(3,4,X'DD712E51961C6D175EAB6B80C2F11918F758CC7B50FFAE19179EE24704C3F739',1767225602000000,'old.example/log+4e893b6b','old.example/log
4
3XEuUZYcbRdeq2uAwvEZGPdYzHtQ/64ZF57iRwTD9zk=
time_us 1767225602000000

— old.example/log Tok7a80lLx0Ly/zlBnVSaMYeTdmEcZ2LMhXgJz/ZPCBMnLCai+Bhsut/43xyUo2jV/4aYPkACXMD6ltLaV4QaXV0rg8=
');
INSERT INTO "custody_checkpoint" VALUES(4,5,X'881D8D370950DD648BCBF2BFB968D02F0D6D901614BC49D5CA577F306BAA3AAE',1767225603000000,'old.example/log+4e893b6b','old.example/log
5
iB2NNwlQ3WSLy/K/uWjQLw1tkBYUvEnVyld/MGuqOq4=
time_us 1767225603000000

— old.example/log Tok7a7goBLcao/o8m1hXbdQpSkpSDxW8moY3llU1SbKUiyCnJJ1X5N5HnQBQQ0fVUwLdl9cYLJTYDasz87VvjD2jUg8=
');
CREATE TABLE custody_leaf (
	position INTEGER NOT NULL, 
	leaf_index BIGINT, 
	reference BLOB NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	subject TEXT NOT NULL, 
	at_us BIGINT NOT NULL, 
	body TEXT, 
	links TEXT, 
	salt BLOB, 
	CONSTRAINT pk_custody_leaf PRIMARY KEY (position), 
	CONSTRAINT uq_custody_leaf_kind_subject UNIQUE (kind, subject), 
	CONSTRAINT uq_custody_leaf_leaf_index UNIQUE (leaf_index), 
	CONSTRAINT uq_custody_leaf_reference UNIQUE (reference)
);
INSERT INTO "custody_leaf" VALUES(1,0,X'3A6D7C4C00B8602E4D62B7C459A8DAB0821001456CE5E89AEBFECA480FE2675D','data.source','s1',1767225600000000,'{"bytes":1,"digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000","holder":"org_7m55jh6qnj3wjzznwf7k6d5pg5","licence":"CC0","name":"n","synthetic":true}','{}',X'38F70A645639FD3C7E34CAFA2DD785FA');
INSERT INTO "custody_leaf" VALUES(2,1,X'3D09A486BCA5E8A3A08B6F76DCA6D887AFA553FB9D4E63D918B6DAAD8FF36498','test.kind','k0',1767225600000000,'{"n":0}','{"source":"3a6d7c4c00b8602e4d62b7c459a8dab0821001456ce5e89aebfeca480fe2675d"}',X'901406735AF416238FA721A02671A40D');
INSERT INTO "custody_leaf" VALUES(3,2,X'5C4E5488001906BC4632DD3EF63495670FBF0036F658B0E3BAA5ECB3B0B4712D','test.kind','k1',1767225600000001,'{"n":1}','{"source":"3a6d7c4c00b8602e4d62b7c459a8dab0821001456ce5e89aebfeca480fe2675d"}',X'3915C8222D705BA4C0A709E5FA3D9572');
INSERT INTO "custody_leaf" VALUES(4,3,X'4155171A54E66E516566F7B25D661BDBFCB3806CE2C4678F07B3F75ECDE4D94E','test.kind','k2',1767225600000002,'{"n":2}','{"source":"3a6d7c4c00b8602e4d62b7c459a8dab0821001456ce5e89aebfeca480fe2675d"}',X'FD23E3F57001529C5854C261DB4680EB');
INSERT INTO "custody_leaf" VALUES(5,4,X'2A0342639B5FAAE4D0230037F63D143F4017F511FD69AF812011244C52ACCD9E','test.kind','k3',1767225600000003,'{"n":3}','{"source":"3a6d7c4c00b8602e4d62b7c459a8dab0821001456ce5e89aebfeca480fe2675d"}',X'28A4149464CBDEBB93043565DA12F9A5');
CREATE TABLE custody_log (
	id BIGINT NOT NULL, 
	origin TEXT NOT NULL, 
	CONSTRAINT pk_custody_log PRIMARY KEY (id)
);
INSERT INTO "custody_log" VALUES(1,'old.example/log');
CREATE TABLE custody_node (
	number INTEGER NOT NULL, 
	hash BLOB NOT NULL, 
	CONSTRAINT pk_custody_node PRIMARY KEY (number)
);
INSERT INTO "custody_node" VALUES(0,X'3A6D7C4C00B8602E4D62B7C459A8DAB0821001456CE5E89AEBFECA480FE2675D');
INSERT INTO "custody_node" VALUES(1,X'5447EBAE14DADEE5B3B0B14D97801D24D842909440E2A0604A8C6392637E6689');
INSERT INTO "custody_node" VALUES(2,X'3D09A486BCA5E8A3A08B6F76DCA6D887AFA553FB9D4E63D918B6DAAD8FF36498');
INSERT INTO "custody_node" VALUES(3,X'DD712E51961C6D175EAB6B80C2F11918F758CC7B50FFAE19179EE24704C3F739');
INSERT INTO "custody_node" VALUES(4,X'5C4E5488001906BC4632DD3EF63495670FBF0036F658B0E3BAA5ECB3B0B4712D');
INSERT INTO "custody_node" VALUES(5,X'8A5D7C68F7284B6A72A9FDFDA12C235CD885BF2DA868CD9457C91F2B58B5256F');
INSERT INTO "custody_node" VALUES(6,X'4155171A54E66E516566F7B25D661BDBFCB3806CE2C4678F07B3F75ECDE4D94E');
INSERT INTO "custody_node" VALUES(8,X'2A0342639B5FAAE4D0230037F63D143F4017F511FD69AF812011244C52ACCD9E');
CREATE TABLE identity_key (
	id VARCHAR(64) NOT NULL, 
	member VARCHAR(64) NOT NULL, 
	label TEXT NOT NULL, 
	secret_hash VARCHAR(64) NOT NULL, 
	at_us BIGINT NOT NULL, 
	expires_at_us BIGINT, 
	revoked_at_us BIGINT, 
	CONSTRAINT pk_identity_key PRIMARY KEY (id)
);
INSERT INTO "identity_key" VALUES('key_01m818vnk5k221bnsq4v1hxqze','mem_1qhrh5brptp2v8yjnzx83rbadh','','8568c9ce9c65e4c5a50324f99ec901ac4b6299dfe4780a925d2f2863ef5d69f9',1767225600000000,NULL,NULL);
CREATE TABLE identity_member (
	id VARCHAR(64) NOT NULL, 
	organisation VARCHAR(64) NOT NULL, 
	name TEXT NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_identity_member PRIMARY KEY (id)
);
INSERT INTO "identity_member" VALUES('mem_1qhrh5brptp2v8yjnzx83rbadh','org_7m55jh6qnj3wjzznwf7k6d5pg5','管理员',1767225600000000);
CREATE TABLE identity_organisation (
	id VARCHAR(64) NOT NULL, 
	name TEXT NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_identity_organisation PRIMARY KEY (id)
);
INSERT INTO "identity_organisation" VALUES('org_7m55jh6qnj3wjzznwf7k6d5pg5','示范机构','operator',1767225600000000);
INSERT INTO "identity_organisation" VALUES('org_555prxrgqpcabybx9qsyv41tyf','示范大学','university',1767225600000000);
CREATE TABLE identity_role (
	member VARCHAR(64) NOT NULL, 
	role VARCHAR(64) NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_identity_role PRIMARY KEY (member, role)
);
INSERT INTO "identity_role" VALUES('mem_1qhrh5brptp2v8yjnzx83rbadh','operator',1767225600000000);
CREATE TABLE ledger_account (
	id VARCHAR(64) NOT NULL, 
	owner VARCHAR(64) NOT NULL, 
	unit TEXT NOT NULL, 
	purpose VARCHAR(64) NOT NULL, 
	overdraft BOOLEAN NOT NULL, 
	debits BIGINT NOT NULL, 
	credits BIGINT NOT NULL, 
	CONSTRAINT pk_ledger_account PRIMARY KEY (id), 
	CONSTRAINT ck_ledger_account_totals_not_negative CHECK (debits >= 0 AND credits >= 0), 
	CONSTRAINT ck_ledger_account_not_overdrawn CHECK (overdraft OR credits >= debits), 
	CONSTRAINT uq_ledger_account_id_unit UNIQUE (id, unit), 
	CONSTRAINT uq_ledger_account_owner_unit_purpose UNIQUE (owner, unit, purpose)
);
INSERT INTO "ledger_account" VALUES('acct_11znaz39gz1xqdzvck2s8sv0w4','ledger','CNY','escrow',0,5000,5700);
INSERT INTO "ledger_account" VALUES('acct_0cgp9pf79w833a9vc3q5h5hhx4','ledger','CNY','issuance',1,100000,0);
INSERT INTO "ledger_account" VALUES('acct_4sbrpz7fg1eq9rw2fpz9c1x0zm','org_555prxrgqpcabybx9qsyv41tyf','CNY','cash',0,6000,100900);
INSERT INTO "ledger_account" VALUES('acct_1kvacm3360pjjejverjpcrw6pd','org_7m55jh6qnj3wjzznwf7k6d5pg5','CNY','cash',0,100,4500);
CREATE TABLE ledger_entry (
	transfer VARCHAR(64) NOT NULL, 
	line INTEGER NOT NULL, 
	debit VARCHAR(64) NOT NULL, 
	credit VARCHAR(64) NOT NULL, 
	unit TEXT NOT NULL, 
	amount BIGINT NOT NULL, 
	CONSTRAINT pk_ledger_entry PRIMARY KEY (transfer, line), 
	CONSTRAINT ck_ledger_entry_amount_positive CHECK (amount > 0), 
	CONSTRAINT ck_ledger_entry_two_accounts CHECK (debit <> credit), 
	CONSTRAINT ck_ledger_entry_line_not_negative CHECK (line >= 0), 
	CONSTRAINT fk_ledger_entry_credit_unit_ledger_account FOREIGN KEY(credit, unit) REFERENCES ledger_account (id, unit), 
	CONSTRAINT fk_ledger_entry_debit_unit_ledger_account FOREIGN KEY(debit, unit) REFERENCES ledger_account (id, unit), 
	CONSTRAINT fk_ledger_entry_transfer_ledger_transfer FOREIGN KEY(transfer) REFERENCES ledger_transfer (id)
);
INSERT INTO "ledger_entry" VALUES('transfer_7ra2fyzcvfmg512caqqk2r1dce',1,'acct_0cgp9pf79w833a9vc3q5h5hhx4','acct_4sbrpz7fg1eq9rw2fpz9c1x0zm','CNY',100000);
INSERT INTO "ledger_entry" VALUES('transfer_00ptnv7kqje8dy3s5najrt2fm3',1,'acct_4sbrpz7fg1eq9rw2fpz9c1x0zm','acct_11znaz39gz1xqdzvck2s8sv0w4','CNY',5000);
INSERT INTO "ledger_entry" VALUES('transfer_4n49pzz4nh2pneaxpvevh9yyzr',1,'acct_11znaz39gz1xqdzvck2s8sv0w4','acct_1kvacm3360pjjejverjpcrw6pd','CNY',4200);
INSERT INTO "ledger_entry" VALUES('transfer_4n49pzz4nh2pneaxpvevh9yyzr',0,'acct_11znaz39gz1xqdzvck2s8sv0w4','acct_4sbrpz7fg1eq9rw2fpz9c1x0zm','CNY',800);
INSERT INTO "ledger_entry" VALUES('transfer_2xkcvgz82x5kxjamz44g9mrn9p',1,'acct_4sbrpz7fg1eq9rw2fpz9c1x0zm','acct_11znaz39gz1xqdzvck2s8sv0w4','CNY',700);
INSERT INTO "ledger_entry" VALUES('transfer_5msrsctcdwpbgzg2f9vmzrygew',1,'acct_4sbrpz7fg1eq9rw2fpz9c1x0zm','acct_1kvacm3360pjjejverjpcrw6pd','CNY',300);
INSERT INTO "ledger_entry" VALUES('transfer_4knh766996c9f835ttx78ejmvc',1,'acct_1kvacm3360pjjejverjpcrw6pd','acct_4sbrpz7fg1eq9rw2fpz9c1x0zm','CNY',100);
CREATE TABLE ledger_hold (
	id VARCHAR(64) NOT NULL, 
	account VARCHAR(64) NOT NULL, 
	unit TEXT NOT NULL, 
	amount BIGINT NOT NULL, 
	expires_at_us BIGINT NOT NULL, 
	state VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_ledger_hold PRIMARY KEY (id), 
	CONSTRAINT ck_ledger_hold_state_known CHECK (state IN ('open', 'captured', 'released', 'expired')), 
	CONSTRAINT ck_ledger_hold_amount_positive CHECK (amount > 0), 
	CONSTRAINT fk_ledger_hold_account_unit_ledger_account FOREIGN KEY(account, unit) REFERENCES ledger_account (id, unit), 
	CONSTRAINT fk_ledger_hold_id_ledger_transfer FOREIGN KEY(id) REFERENCES ledger_transfer (id)
);
INSERT INTO "ledger_hold" VALUES('transfer_00ptnv7kqje8dy3s5najrt2fm3','acct_4sbrpz7fg1eq9rw2fpz9c1x0zm','CNY',5000,1768225600000000,'captured');
INSERT INTO "ledger_hold" VALUES('transfer_2xkcvgz82x5kxjamz44g9mrn9p','acct_4sbrpz7fg1eq9rw2fpz9c1x0zm','CNY',700,1768225600000000,'open');
CREATE TABLE ledger_transfer (
	number INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	"key" TEXT NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	request_digest VARCHAR(71) NOT NULL, 
	at_us BIGINT NOT NULL, 
	memo TEXT NOT NULL, 
	closes VARCHAR(64), 
	refunds VARCHAR(64), 
	CONSTRAINT pk_ledger_transfer PRIMARY KEY (number), 
	CONSTRAINT fk_ledger_transfer_closes_ledger_transfer FOREIGN KEY(closes) REFERENCES ledger_transfer (id), 
	CONSTRAINT fk_ledger_transfer_refunds_ledger_transfer FOREIGN KEY(refunds) REFERENCES ledger_transfer (id), 
	CONSTRAINT uq_ledger_transfer_closes UNIQUE (closes), 
	CONSTRAINT uq_ledger_transfer_id UNIQUE (id)
);
INSERT INTO "ledger_transfer" VALUES(1,'transfer_7ra2fyzcvfmg512caqqk2r1dce','g','grant','sha256:9c857a1f2287e63f8b41047f63829a07ffca7ba2cd1d59ffea3fc0cbe69c4320',1767225600000000,'',NULL,NULL);
INSERT INTO "ledger_transfer" VALUES(2,'transfer_00ptnv7kqje8dy3s5najrt2fm3','h1','hold','sha256:5d13f1628906475a4847a33f280bf529d0c93d96b0259b4a6a0b0aa201b72b0b',1767225600000000,'',NULL,NULL);
INSERT INTO "ledger_transfer" VALUES(3,'transfer_4n49pzz4nh2pneaxpvevh9yyzr','c1','capture','sha256:9da75446b0284a2a290982bb86b66de361a537978752944b07fe94bb87e1d28d',1767225600000000,'','transfer_00ptnv7kqje8dy3s5najrt2fm3',NULL);
INSERT INTO "ledger_transfer" VALUES(4,'transfer_2xkcvgz82x5kxjamz44g9mrn9p','h2','hold','sha256:4bfad142831f5d36abbd8989280feb4a6a9e5d4b6b091f330b1a37cdaf3c37d3',1767225600000000,'',NULL,NULL);
INSERT INTO "ledger_transfer" VALUES(5,'transfer_5msrsctcdwpbgzg2f9vmzrygew','t1','subsidy','sha256:d8ab11ade64640af43b1e3ee76f94c8f2cfd36ae838c44730544e842311dedc7',1767225600000000,'',NULL,NULL);
INSERT INTO "ledger_transfer" VALUES(6,'transfer_4knh766996c9f835ttx78ejmvc','r1','refund','sha256:07fbde7df2789f86b9f413af64415de7dd505db7d8e46b7329e67fc0607753ca',1767225600000000,'',NULL,'transfer_5msrsctcdwpbgzg2f9vmzrygew');
CREATE TABLE storage_idempotency (
	tenant VARCHAR(64) NOT NULL, 
	"key" TEXT NOT NULL, 
	request_digest VARCHAR(71) NOT NULL, 
	answer TEXT NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_storage_idempotency PRIMARY KEY (tenant, "key")
);
INSERT INTO "storage_idempotency" VALUES('org_555prxrgqpcabybx9qsyv41tyf','x','sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b','2',1767225600000000);
CREATE TABLE storage_work (
	id VARCHAR(64) NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	"key" TEXT NOT NULL, 
	payload TEXT NOT NULL, 
	state VARCHAR(64) NOT NULL, 
	attempts INTEGER NOT NULL, 
	token VARCHAR(64), 
	owner TEXT, 
	lease_until_us BIGINT, 
	created_at_us BIGINT NOT NULL, 
	result TEXT, 
	CONSTRAINT pk_storage_work PRIMARY KEY (id), 
	CONSTRAINT uq_storage_work_kind_key UNIQUE (kind, "key")
);
INSERT INTO "storage_work" VALUES('work_3wmz8sws77s3npeap790ayqwt9','job','k','{"n":1}','ready',0,NULL,NULL,NULL,1767225600000000,NULL);
CREATE INDEX ix_custody_checkpoint_key ON custody_checkpoint ("key");
CREATE INDEX ix_custody_checkpoint_size ON custody_checkpoint (size);
CREATE INDEX ix_identity_key_member_label ON identity_key (member, label);
CREATE INDEX ix_identity_member_organisation ON identity_member (organisation);
CREATE INDEX ix_ledger_transfer_refunds ON ledger_transfer (refunds);
CREATE INDEX ix_ledger_entry_credit ON ledger_entry (credit);
CREATE INDEX ix_ledger_entry_debit ON ledger_entry (debit);
CREATE INDEX ix_ledger_hold_account_state ON ledger_hold (account, state);
CREATE INDEX ix_ledger_hold_state_expires_at_us ON ledger_hold (state, expires_at_us);
CREATE INDEX ix_storage_work_kind_state_created_at_us ON storage_work (kind, state, created_at_us);
COMMIT;
