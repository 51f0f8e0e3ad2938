BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0002');
CREATE TABLE compute_approval (
	name VARCHAR(64) NOT NULL, 
	digest VARCHAR(71) NOT NULL, 
	module TEXT NOT NULL, 
	approved_by VARCHAR(64) NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_compute_approval PRIMARY KEY (name, digest)
);
INSERT INTO "compute_approval" VALUES('train-classifier','sha256:7d719277b52beec88c35cef4539dfd305c5191465eb91d484b636f24ca119021','yunhe.models.training.classifier','mem_3wdt0gywfy5ndzgrm5ye6q6vwa',1795345376243995);
CREATE TABLE compute_award (
	id VARCHAR(64) NOT NULL, 
	organisation VARCHAR(64) NOT NULL, 
	chip VARCHAR(64) NOT NULL, 
	device_ms BIGINT NOT NULL, 
	expires_at_us BIGINT NOT NULL, 
	lapsed_ms BIGINT NOT NULL, 
	transfer VARCHAR(64) NOT NULL, 
	awarded_by VARCHAR(64) NOT NULL, 
	reference TEXT NOT NULL, 
	created_at_us BIGINT NOT NULL, 
	CONSTRAINT pk_compute_award PRIMARY KEY (id)
);
INSERT INTO "compute_award" VALUES('award_6b9bc33p0evfajrt4whg9w0y0t','org_2ze6d86hhhss2wejvat4dv0zhq','cpu',900000,1803121376076664,0,'transfer_4vq66emy9me6emtppce9kgn379','mem_3wdt0gywfy5ndzgrm5ye6q6vwa','28941047a9fa7fcbd61c0bc79b88956c17aaff8bd80c5e843c343b8f2f4b2f5c',1795345376234608);
CREATE TABLE compute_draw (
	workload VARCHAR(64) NOT NULL, 
	award VARCHAR(64) NOT NULL, 
	position INTEGER NOT NULL, 
	held_ms BIGINT NOT NULL, 
	used_ms BIGINT NOT NULL, 
	CONSTRAINT pk_compute_draw PRIMARY KEY (workload, award)
);
INSERT INTO "compute_draw" VALUES('workload_6c4vz050cv4rmg0e1a6ga0rzkq','award_6b9bc33p0evfajrt4whg9w0y0t',0,0,1299);
CREATE TABLE compute_pool (
	id VARCHAR(64) NOT NULL, 
	provider VARCHAR(64) NOT NULL, 
	site TEXT NOT NULL, 
	adapter VARCHAR(64) NOT NULL, 
	chip VARCHAR(64) NOT NULL, 
	devices INTEGER NOT NULL, 
	price_minor_per_device_hour BIGINT NOT NULL, 
	currency VARCHAR(64) NOT NULL, 
	created_at_us BIGINT NOT NULL, 
	CONSTRAINT pk_compute_pool PRIMARY KEY (id)
);
INSERT INTO "compute_pool" VALUES('pool_6zdnnhwmsmfd8jq65xdvfahs22','org_2qbn4cndemq84pn8tmmdgxtqv7','this machine','local','cpu',1,3600,'CNY',1795345376229228);
CREATE TABLE compute_voucher (
	id VARCHAR(64) NOT NULL, 
	organisation VARCHAR(64) NOT NULL, 
	currency VARCHAR(64) NOT NULL, 
	amount_minor BIGINT NOT NULL, 
	share_percent INTEGER NOT NULL, 
	created_at_us BIGINT NOT NULL, 
	CONSTRAINT pk_compute_voucher PRIMARY KEY (id)
);
INSERT INTO "compute_voucher" VALUES('voucher_73f36y08qnx1ab6sr2mbdz8g7e','org_2ze6d86hhhss2wejvat4dv0zhq','CNY',1000,20,1795345376239474);
CREATE TABLE compute_workload (
	number INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	organisation VARCHAR(64) NOT NULL, 
	entry_point VARCHAR(64) NOT NULL, 
	chip VARCHAR(64) NOT NULL, 
	devices INTEGER NOT NULL, 
	wall_seconds_max INTEGER NOT NULL, 
	spec TEXT NOT NULL, 
	spec_digest VARCHAR(71) NOT NULL, 
	state VARCHAR(64) NOT NULL, 
	why TEXT, 
	blocked INTEGER NOT NULL, 
	cancel_asked INTEGER NOT NULL, 
	submitted_at_us BIGINT NOT NULL, 
	pool VARCHAR(64), 
	voucher VARCHAR(64), 
	placements INTEGER NOT NULL, 
	attempts INTEGER NOT NULL, 
	provider_failures INTEGER NOT NULL, 
	device_hold VARCHAR(64), 
	voucher_hold VARCHAR(64), 
	cash_hold VARCHAR(64), 
	held_voucher_minor BIGINT NOT NULL, 
	held_cash_minor BIGINT NOT NULL, 
	holds_until_us BIGINT, 
	used_voucher_minor BIGINT NOT NULL, 
	outputs TEXT, 
	usage TEXT, 
	reference TEXT, 
	log VARCHAR(71), 
	ended_at_us BIGINT, 
	CONSTRAINT pk_compute_workload PRIMARY KEY (number), 
	CONSTRAINT uq_compute_workload_id UNIQUE (id)
);
INSERT INTO "compute_workload" VALUES(1,'workload_6c4vz050cv4rmg0e1a6ga0rzkq','org_2ze6d86hhhss2wejvat4dv0zhq','train-classifier','cpu',1,300,'{"arguments":{"features":4096,"name":"hotline-router","seed":12345,"synthetic":true},"chip":"cpu","cpu_seconds_max":300,"devices":1,"entry_point":"train-classifier","input_reference":"d5bb06971cebcda64811e7b13b3d6b35bd079ed941c2b82af4ee72c11137d601","inputs":{"train":"sha256:07a3838ca5506ecb4e846452e09878fef737e379240db5ac2bba8c689713c047"},"key":"run_7d2dvw6a6qp5xa0merheadbwe1/training","memory_bytes_max":4294967296,"organisation":"org_2ze6d86hhhss2wejvat4dv0zhq","wall_seconds_max":300}','sha256:9249ad4e00769ad83dd2ba45284b8df5c1fe293b2cabbcf5578f0504f2d41575','settled',NULL,0,0,1795345376245832,'pool_6zdnnhwmsmfd8jq65xdvfahs22','voucher_73f36y08qnx1ab6sr2mbdz8g7e',1,1,0,NULL,NULL,NULL,0,0,NULL,0,'{"card.json":"sha256:57aeb394ec5738f590f793b6f0aa9c89e85c6373e5aa4b111be92472e206a0d9","manifest.json":"sha256:a11ed5777f12cc7bc6444afb2d17a196443b46626b0b9b54e7899b3e3d6205f5","model.safetensors":"sha256:d9944f542c32599c465376ac4a6b9312687976b32b04bcce6326aed88e59c443"}','{"cash_minor":2,"code_digest":"sha256:7d719277b52beec88c35cef4539dfd305c5191465eb91d484b636f24ca119021","cost_minor":2,"cpu_ms":1299,"currency":"CNY","device_ms":1299,"isolation":"bubblewrap","memory_bytes_peak":205914112,"voucher_minor":0,"wall_ms":1299}','96b4b443f7a6ab79bb9f954406014bc9c7403b84a1963f4643890fd56e0eec62','sha256:05e4d5ceb5703195e751cc62001f081a4141cc46c4b3a63f2bff7aa310d4d4d5',1795345377604151);
INSERT INTO "compute_workload" VALUES(2,'workload_6f7wsxz2vd99shm4003tvr25a3','org_2ze6d86hhhss2wejvat4dv0zhq','train-classifier','cpu',1,7200,'{"arguments":{"features":4096,"name":"hotline-router","seed":12345,"synthetic":true},"chip":"cpu","cpu_seconds_max":300,"devices":1,"entry_point":"train-classifier","input_reference":"d5bb06971cebcda64811e7b13b3d6b35bd079ed941c2b82af4ee72c11137d601","inputs":{"train":"sha256:07a3838ca5506ecb4e846452e09878fef737e379240db5ac2bba8c689713c047"},"key":"run_7d2dvw6a6qp5xa0merheadbwe1/beyond","memory_bytes_max":4294967296,"organisation":"org_2ze6d86hhhss2wejvat4dv0zhq","wall_seconds_max":7200}','sha256:313572d175b930bd176027e3dc73d9b1697f3909179205807b765284c5136c7b','cancelled',NULL,0,1,1795345377615533,NULL,NULL,0,0,0,NULL,NULL,NULL,0,0,NULL,0,NULL,NULL,NULL,NULL,1795345377929677);
CREATE TABLE corpus_cleansing (
	certificate_id VARCHAR(64) NOT NULL, 
	"key" TEXT NOT NULL, 
	request_digest VARCHAR(71) NOT NULL, 
	source_id VARCHAR(64) NOT NULL, 
	name TEXT NOT NULL, 
	holder VARCHAR(64) NOT NULL, 
	licence TEXT NOT NULL, 
	synthetic BOOLEAN NOT NULL, 
	input_bytes BIGINT NOT NULL, 
	source_reference TEXT NOT NULL, 
	certificate_reference TEXT NOT NULL, 
	input_digest VARCHAR(71) NOT NULL, 
	output_digest VARCHAR(71) NOT NULL, 
	certificate_digest VARCHAR(71) NOT NULL, 
	decisions_digest VARCHAR(71) NOT NULL, 
	spans_digest VARCHAR(71) NOT NULL, 
	sample_digest VARCHAR(71) NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_corpus_cleansing PRIMARY KEY (certificate_id), 
	CONSTRAINT uq_corpus_cleansing_key UNIQUE ("key")
);
INSERT INTO "corpus_cleansing" VALUES('certificate_414kwkzw23r6w2m9sbgrhke43g','run_7d2dvw6a6qp5xa0merheadbwe1/corpus','sha256:5b95b82f895ab47dc52bd54ddb6ad86cdfafa8957e263297cb33290d907d2d42','source_4h8se5vrw1zmn3ecv5che9vh2p','12345 hotline tickets (synthetic, seed 12345)','org_42y2t5kr77z7044j81f53qskpr','CC-BY-4.0',1,155408,'c66cdcb0d03f388bfe8a55052c07dc19b41e01266c60e8836994a31aeda88c33','350fe2eda6296632d616c55ba6a0a188b1a79016b81230e29ccd111ba03857c3','sha256:464eda02332f4f9759c36f927bb7d649747c206ff5ba44bce50bc0055b916309','sha256:f98c4ec80b3775d4cb5158fc753eeb1491cb49a6a562da7f36af1b994324e00a','sha256:ebbd2d54ccd850488e623b6d778e7e7b93dd9ad1271b7671ee210d1f7a1f6aeb','sha256:2b4daf3b42613ef0cd12148a79cd2cd04e36fe383b45392266c4e9c78dc3f775','sha256:ee65d539a6984a7fa38263863342482c6222a5348698cd0203e74ff8d4f97361','sha256:f98c4ec80b3775d4cb5158fc753eeb1491cb49a6a562da7f36af1b994324e00a',1795345376186751);
CREATE TABLE custody_checkpoint (
	number INTEGER NOT NULL, 
	size BIGINT NOT NULL, 
	root BLOB NOT NULL, 
	at_us BIGINT NOT NULL, 
	"key" TEXT NOT NULL, 
	note TEXT NOT NULL, 
	CONSTRAINT pk_custody_checkpoint PRIMARY KEY (number)
);
INSERT INTO "custody_checkpoint" VALUES(1,16,X'F5FD0D589B34851CC79AE4224B0E1F20F1B02F7DDEE1BD3DFF8D6C503E1C6406',1795345377922055,'yunhe.local/log+d4b58082','yunhe.local/log
16
9f0NWJs0hRzHmuQiSw4fIPGwL33e4b09/41sUD4cZAY=
time_us 1795345377922055

— yunhe.local/log 1LWAgjCiw1wjsqmTRY0PD/gCGf6Ozcl0gr+XNDy4ISUh9CU/Lz9HpstJrTpMCyHxHY2a+tN3/Ku9poTqXUnpoAbB7gU=
');
INSERT INTO "custody_checkpoint" VALUES(2,17,X'DF6DA966594CBBE8B25319ED5749B854BA9B789BC5111B1F8CEE0D91A6DAA12F',1795345378893132,'yunhe.local/log+d4b58082','yunhe.local/log
17
322pZllMu+iyUxntV0m4VLqbeJvFERsfjO4NkabaoS8=
time_us 1795345378893132

— yunhe.local/log 1LWAgi+eJuYPUkAB/8VD58ADEUVhBMy4MXeKl+yUaxr/EY7qIHxORYNZQU4UR5sEtrQkn6l4gFUKt5c/HyLXNH7a5wU=
');
INSERT INTO "custody_checkpoint" VALUES(3,17,X'DF6DA966594CBBE8B25319ED5749B854BA9B789BC5111B1F8CEE0D91A6DAA12F',1795345378898723,'yunhe.local/log+0bac59db','yunhe.local/log
17
322pZllMu+iyUxntV0m4VLqbeJvFERsfjO4NkabaoS8=
time_us 1795345378898723

— yunhe.local/log C6xZ21XoD0Fn6+JxUtnEmPBIkBu/jTIqZaV618dBanuU2vOLmo7P05SjepXN+PXxXbTwoetXBvs0MXnNJ6aMm1VkjAY=
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
INSERT INTO "custody_leaf" VALUES(1,0,X'C66CDCB0D03F388BFE8A55052C07DC19B41E01266C60E8836994A31AEDA88C33','data.source','source_4h8se5vrw1zmn3ecv5che9vh2p',1795345376186751,'{"bytes":155408,"digest":"sha256:464eda02332f4f9759c36f927bb7d649747c206ff5ba44bce50bc0055b916309","holder":"org_42y2t5kr77z7044j81f53qskpr","licence":"CC-BY-4.0","name":"12345 hotline tickets (synthetic, seed 12345)","synthetic":true}','{}',X'D8BE2ABE52D3D7132B40E52A4483122E');
INSERT INTO "custody_leaf" VALUES(2,1,X'350FE2EDA6296632D616C55BA6A0A188B1A79016B81230E29CCD111BA03857C3','data.certificate','certificate_414kwkzw23r6w2m9sbgrhke43g',1795345376186751,'{"certificate_digest":"sha256:ebbd2d54ccd850488e623b6d778e7e7b93dd9ad1271b7671ee210d1f7a1f6aeb","documents_in":400,"documents_out":376,"input_digest":"sha256:464eda02332f4f9759c36f927bb7d649747c206ff5ba44bce50bc0055b916309","output_digest":"sha256:f98c4ec80b3775d4cb5158fc753eeb1491cb49a6a562da7f36af1b994324e00a","pipeline_digest":"sha256:a43b03d0485d2d52c71f4c6c8888d0f67c4ef80bb838205e956065053a8b517a"}','{"source":"c66cdcb0d03f388bfe8a55052c07dc19b41e01266c60e8836994a31aeda88c33"}',X'D0A06366EDBD9BDDD5265BB26D25CDDD');
INSERT INTO "custody_leaf" VALUES(3,2,X'97BFDE41DE2EC09C101ECE804557CB2040689C46231A18E534B5320115AD9E8D','data.listing','listing_4bdrammbvqy7pwdqzz7mcctfa3',1795345376197905,'{"dataset_digest":"sha256:f98c4ec80b3775d4cb5158fc753eeb1491cb49a6a562da7f36af1b994324e00a","holder":"org_42y2t5kr77z7044j81f53qskpr","licence":"CC-BY-4.0","policy_digest":"sha256:40c146fa064aa6d8322cc65ec96b3e561e2cb2c04c93fad8a4b59955df2b92a5","price_minor":120000,"unit":"CNY"}','{"certificate":"350fe2eda6296632d616c55ba6a0a188b1a79016b81230e29ccd111ba03857c3"}',X'1E788DA0C60703BD182D556D20D08F89');
INSERT INTO "custody_leaf" VALUES(4,3,X'70C823AD183608222E3287A7D102C3768678CDEBE06DDC90DD004EBE82D15999','data.grant','grant_7a39p8qgh7ds4v5vb1zcr0h044',1795345376205383,'{"buyer":"org_2ze6d86hhhss2wejvat4dv0zhq","dataset_digest":"sha256:f98c4ec80b3775d4cb5158fc753eeb1491cb49a6a562da7f36af1b994324e00a","expires_at_us":1826881376205383,"order":"order_0ykkb1ne2m9hvbzk8j3tpywf02","policy_digest":"sha256:40c146fa064aa6d8322cc65ec96b3e561e2cb2c04c93fad8a4b59955df2b92a5","price_minor":120000,"transfer":"transfer_2byn9fy7vpm73gjmwtcky33nvm","unit":"CNY"}','{"listing":"97bfde41de2ec09c101ece804557cb2040689c46231a18e534b5320115ad9e8d"}',X'D47DC7EF5EA6E37536F940947330974B');
INSERT INTO "custody_leaf" VALUES(5,4,X'D5BB06971CEBCDA64811E7B13B3D6B35BD079ED941C2B82AF4EE72C11137D601','evaluation.split','split_6ps3jyn6xbysft7hft2err7r88',1795345376224962,'{"dataset_digest":"sha256:f98c4ec80b3775d4cb5158fc753eeb1491cb49a6a562da7f36af1b994324e00a","groups":350,"heldout_digest":"sha256:baa831580eb453f3375c3ebed9ab3448a611b8d8f2fecdda277caaf8488fd237","seed":12345,"train_digest":"sha256:07a3838ca5506ecb4e846452e09878fef737e379240db5ac2bba8c689713c047"}','{"grant":"70c823ad183608222e3287a7d102c3768678cdebe06ddc90dd004ebe82d15999"}',X'926D5BC2D320DA6C49DB6290C5A9ECFB');
INSERT INTO "custody_leaf" VALUES(6,5,X'28941047A9FA7FCBD61C0BC79B88956C17AAFF8BD80C5E843C343B8F2F4B2F5C','compute.award','award_6b9bc33p0evfajrt4whg9w0y0t',1795345376234608,'{"amount_minor":900000,"awarded_by":"mem_3wdt0gywfy5ndzgrm5ye6q6vwa","expires_at_us":1803121376076664,"organisation":"org_2ze6d86hhhss2wejvat4dv0zhq","transfer":"transfer_4vq66emy9me6emtppce9kgn379","unit":"device:cpu"}','{}',X'5DD63B2F696EEEDE62083CA69B6C437B');
INSERT INTO "custody_leaf" VALUES(7,6,X'96B4B443F7A6AB79BB9F954406014BC9C7403B84A1963F4643890FD56E0EEC62','compute.usage','workload_6c4vz050cv4rmg0e1a6ga0rzkq',1795345377604151,'{"code_digest":"sha256:7d719277b52beec88c35cef4539dfd305c5191465eb91d484b636f24ca119021","cost_minor":2,"device_ms":1299,"device_transfer":"transfer_1pqf6ce8t26fw0k6a6ywrcrg22","input_digests":["sha256:07a3838ca5506ecb4e846452e09878fef737e379240db5ac2bba8c689713c047"],"isolation":"bubblewrap","organisation":"org_2ze6d86hhhss2wejvat4dv0zhq","outcome":"settled","output_digests":["sha256:57aeb394ec5738f590f793b6f0aa9c89e85c6373e5aa4b111be92472e206a0d9","sha256:a11ed5777f12cc7bc6444afb2d17a196443b46626b0b9b54e7899b3e3d6205f5","sha256:d9944f542c32599c465376ac4a6b9312687976b32b04bcce6326aed88e59c443"],"pool":"pool_6zdnnhwmsmfd8jq65xdvfahs22","provider":"org_2qbn4cndemq84pn8tmmdgxtqv7","spec_digest":"sha256:9249ad4e00769ad83dd2ba45284b8df5c1fe293b2cabbcf5578f0504f2d41575","transfer":"transfer_1g7arc8492mz63mfsx3znnd0ce","unit":"CNY","voucher_minor":0,"voucher_transfer":""}','{"award":"28941047a9fa7fcbd61c0bc79b88956c17aaff8bd80c5e843c343b8f2f4b2f5c","input":"d5bb06971cebcda64811e7b13b3d6b35bd079ed941c2b82af4ee72c11137d601"}',X'6321F6B3CB8C189AA0D8BD94632CD8F8');
INSERT INTO "custody_leaf" VALUES(8,7,X'E82DE97BCEABB55ED0AE78504E2B32B72B649FAD4219D2810636C272EE839A65','model.version','model_0hqf5gx8b9ms1ebpdvz9by4mwg',1795345377622511,'{"card_digest":"sha256:57aeb394ec5738f590f793b6f0aa9c89e85c6373e5aa4b111be92472e206a0d9","manifest_digest":"sha256:a11ed5777f12cc7bc6444afb2d17a196443b46626b0b9b54e7899b3e3d6205f5","model_digest":"sha256:d9944f542c32599c465376ac4a6b9312687976b32b04bcce6326aed88e59c443","name":"hotline-router","train_digest":"sha256:07a3838ca5506ecb4e846452e09878fef737e379240db5ac2bba8c689713c047"}','{"split":"d5bb06971cebcda64811e7b13b3d6b35bd079ed941c2b82af4ee72c11137d601","usage":"96b4b443f7a6ab79bb9f954406014bc9c7403b84a1963f4643890fd56e0eec62"}',X'9CEAA3CB08553479A84AD6FB7E97F48E');
INSERT INTO "custody_leaf" VALUES(9,8,X'B8F42D86023EAFA755E16E21286F084C302D4B4EE5B1EEF33A32E279578F73A4','evaluation.run','evaluation_7205053vy4wc5efqpgvykscnkh',1795345377664026,'{"baseline":"majority","baseline_score":"0.008333","gate":"passed","heldout_digest":"sha256:baa831580eb453f3375c3ebed9ab3448a611b8d8f2fecdda277caaf8488fd237","metric":"macro_f1","model_digest":"sha256:d9944f542c32599c465376ac4a6b9312687976b32b04bcce6326aed88e59c443","results_digest":"sha256:560037ec60704bf8bae3810fcb1148cda2d053db5b2ce672f1f10639e03ef39e","score":"0.218321","score_high":"0.301069","score_low":"0.116359"}','{"model":"e82de97bceabb55ed0ae78504e2b32b72b649fad4219d2810636c272ee839a65","split":"d5bb06971cebcda64811e7b13b3d6b35bd079ed941c2b82af4ee72c11137d601"}',X'359A179ED8D0246426278D00816347DB');
INSERT INTO "custody_leaf" VALUES(10,9,X'09F783797000B997465CF712832F3C9FBD0D624435EFDF7BA3B54D04474568C8','governance.risk','risk_5rswhwcsmhtv50a7jkedecppvv',1795345377667629,'{"facts_digest":"sha256:a0e555d83ab4fce1400613cd87d9dbbd9fcb8a3287491d2ae9e6d6446455cd1d","fired":["L1-platform"],"measures_digest":"sha256:ff3e03926fa156f06621e9fb8183d7ec31446f22570ac13f27892edf821f1158","model_digest":"sha256:d9944f542c32599c465376ac4a6b9312687976b32b04bcce6326aed88e59c443","rules_version":"2026.11.1+a32747229166","tier":"R1"}','{"model":"e82de97bceabb55ed0ae78504e2b32b72b649fad4219d2810636c272ee839a65"}',X'74086FCC0665FF2CC50B772E81FBB39D');
INSERT INTO "custody_leaf" VALUES(11,10,X'F027F6D0C8CD3727EEB0491641FA3652D569D866EF707109F987680BB3EDC194','governance.approval','approval_29qdr5mbb3rfj041bkpgghp0ek',1795345377674084,'{"approver":"mem_3zrmj5rn8eqnt56cnxmwnjvaxd","decision":"approve","expires_at_us":1810897376076664,"model_digest":"sha256:d9944f542c32599c465376ac4a6b9312687976b32b04bcce6326aed88e59c443","role":"risk_officer"}','{"evaluation":"b8f42d86023eafa755e16e21286f084c302d4b4ee5b1eef33a32e279578f73a4","model":"e82de97bceabb55ed0ae78504e2b32b72b649fad4219d2810636c272ee839a65","risk":"09f783797000b997465cf712832f3c9fbd0d624435efdf7ba3b54d04474568c8"}',X'9DA417C0F4435BC058BB93F4EF90A009');
INSERT INTO "custody_leaf" VALUES(12,11,X'EE97B025BECE4FAC746A3B621E3EE8E7A9468657A23ECEB3673CAADBA2E043F5','governance.approval','approval_5zye93vqsmg4zhqqam3zknctxz',1795345377677376,'{"approver":"mem_49fgyg3qps0krkk6mtzjpgf296","decision":"approve","expires_at_us":1810897376076664,"model_digest":"sha256:d9944f542c32599c465376ac4a6b9312687976b32b04bcce6326aed88e59c443","role":"release_owner"}','{"evaluation":"b8f42d86023eafa755e16e21286f084c302d4b4ee5b1eef33a32e279578f73a4","model":"e82de97bceabb55ed0ae78504e2b32b72b649fad4219d2810636c272ee839a65","risk":"09f783797000b997465cf712832f3c9fbd0d624435efdf7ba3b54d04474568c8"}',X'6617F58332B82C73E5D0EA8768643463');
INSERT INTO "custody_leaf" VALUES(13,12,X'94545EABEB1FF47AF85D26BB3B5FC573DD8C0B11D7D006A59F0E34005BAB3E41','governance.release','release_7k9227y33fnrh48ewr80edajze',1795345377679484,'{"model_digest":"sha256:d9944f542c32599c465376ac4a6b9312687976b32b04bcce6326aed88e59c443","valid_until_us":1810897376076664}','{"approval_1":"f027f6d0c8cd3727eeb0491641fa3652d569d866ef707109f987680bb3edc194","approval_2":"ee97b025bece4fac746a3b621e3ee8e7a9468657a23eceb3673caadba2e043f5","evaluation":"b8f42d86023eafa755e16e21286f084c302d4b4ee5b1eef33a32e279578f73a4","model":"e82de97bceabb55ed0ae78504e2b32b72b649fad4219d2810636c272ee839a65","risk":"09f783797000b997465cf712832f3c9fbd0d624435efdf7ba3b54d04474568c8"}',X'78A37B391108D4CE75A5E6449BD47C94');
INSERT INTO "custody_leaf" VALUES(14,13,X'DAEAEE9589E9741A3968C71B9418F30A7EC8AE55795A73FE1A607695877E2475','serving.deployment','dep_1a9en27yn1dfj4d0806epz00mv',1795345377683641,'{"model_digest":"sha256:d9944f542c32599c465376ac4a6b9312687976b32b04bcce6326aed88e59c443","route":"hotline"}','{"release":"94545eabeb1ff47af85d26bb3b5fc573dd8c0b11d7d006a59f0e34005bab3e41"}',X'999CD1D10B8192DE82BDB13C6E6E3C31');
INSERT INTO "custody_leaf" VALUES(15,14,X'DD338063D5CB960E6435D115BDCAAF43774923819E49CF126A72FB93FD4FB33B','serving.answer','ans_01m81ertdwj3sy7zgt03t5dnth',1795345377725003,'{"device_us":366,"model_digest":"sha256:d9944f542c32599c465376ac4a6b9312687976b32b04bcce6326aed88e59c443","request_commitment":"sha256:7ec2603138a7bcdc193f00becd034fb39368c8bb9c5c160de4b561c8edc1baa7","response_commitment":"sha256:cc7385459616f28f017d12421b0a85bdd11983b779b2d04bc2bac2242cb38a86","tenant":"sha256:7287296bfff3952544ea4ad3d0f82585628c215b9ba7c598e9e30c9b67635ac0"}','{"deployment":"daeaee9589e9741a3968c71b9418f30a7ec8ae55795a73fe1a607695877e2475"}',X'2D72E152D4D9928B8D40879B78A51AF8');
INSERT INTO "custody_leaf" VALUES(16,15,X'72CF15408BB6FA600522F0FAA9A2C17D2A9D298713F80009D45ACA9CDF13521C','serving.answer','ans_01m81erte1e15sm7mx55nvf302',1795345377730251,'{"device_us":402,"model_digest":"sha256:d9944f542c32599c465376ac4a6b9312687976b32b04bcce6326aed88e59c443","request_commitment":"sha256:e68a720c360ac5889c9a70fbc3b244229539d071f820f9b2899779deb13fe476","response_commitment":"sha256:55156eef5a4ce4b4696b34c891af73beb79768bea325cdc5fe7021f71a880761","tenant":"sha256:7287296bfff3952544ea4ad3d0f82585628c215b9ba7c598e9e30c9b67635ac0"}','{"deployment":"daeaee9589e9741a3968c71b9418f30a7ec8ae55795a73fe1a607695877e2475"}',X'41A5BD8DEB2F94DFE455FE9CEA4D5CA6');
INSERT INTO "custody_leaf" VALUES(17,16,X'C682CC5AE547E00FBCF95FF1188A5DF8E4C62CD287C682D03A61EF0CA488F23E','key.rotated','yunhe.local/log+0bac59db',1795345378886344,'{"new_key":"yunhe.local/log+0bac59db","new_public":"yunhe.local/log+0bac59db+AWAIuKFSB6DD4c5lHUAviXkod8Z2VEdx9HvXMmxybDk+","old_key":"yunhe.local/log+d4b58082"}','{}',X'8B3E3E10723DECBC1A0AAAEF2E59743F');
CREATE TABLE custody_log (
	id BIGINT NOT NULL, 
	origin TEXT NOT NULL, 
	CONSTRAINT pk_custody_log PRIMARY KEY (id)
);
INSERT INTO "custody_log" VALUES(1,'yunhe.local/log');
CREATE TABLE custody_node (
	number INTEGER NOT NULL, 
	hash BLOB NOT NULL, 
	CONSTRAINT pk_custody_node PRIMARY KEY (number)
);
INSERT INTO "custody_node" VALUES(0,X'C66CDCB0D03F388BFE8A55052C07DC19B41E01266C60E8836994A31AEDA88C33');
INSERT INTO "custody_node" VALUES(1,X'67870FB2190C2EC4A7D30244C7FA0EA51D1B95010E7473478AD6B53563538353');
INSERT INTO "custody_node" VALUES(2,X'350FE2EDA6296632D616C55BA6A0A188B1A79016B81230E29CCD111BA03857C3');
INSERT INTO "custody_node" VALUES(3,X'6D9F34798B22CBFA8EA8A131F3286AF5023F6354D365722BFDE79504EA931B22');
INSERT INTO "custody_node" VALUES(4,X'97BFDE41DE2EC09C101ECE804557CB2040689C46231A18E534B5320115AD9E8D');
INSERT INTO "custody_node" VALUES(5,X'2A38AF21DE5421E32C5B30071ADB178A442A7EDF70DE41902D81175AC8E43DC6');
INSERT INTO "custody_node" VALUES(6,X'70C823AD183608222E3287A7D102C3768678CDEBE06DDC90DD004EBE82D15999');
INSERT INTO "custody_node" VALUES(7,X'F2625B3D08D0C7D62BD0C58A24A09B0223773A4372D77F184F09117D2A106F86');
INSERT INTO "custody_node" VALUES(8,X'D5BB06971CEBCDA64811E7B13B3D6B35BD079ED941C2B82AF4EE72C11137D601');
INSERT INTO "custody_node" VALUES(9,X'3AB64A66DEBE422C04518C4781A89193A03F24D0BFB5E750C01C628B5497D757');
INSERT INTO "custody_node" VALUES(10,X'28941047A9FA7FCBD61C0BC79B88956C17AAFF8BD80C5E843C343B8F2F4B2F5C');
INSERT INTO "custody_node" VALUES(11,X'4A9ACF505AABCBB54EE413333E2281943EBF133D43AEE3C9B4DDC4AA69878E2F');
INSERT INTO "custody_node" VALUES(12,X'96B4B443F7A6AB79BB9F954406014BC9C7403B84A1963F4643890FD56E0EEC62');
INSERT INTO "custody_node" VALUES(13,X'99D5A0CB15E10172CBEE274B1A7C3ADABA3CA47E9E3E0F0B4A0B70C9ABB99C85');
INSERT INTO "custody_node" VALUES(14,X'E82DE97BCEABB55ED0AE78504E2B32B72B649FAD4219D2810636C272EE839A65');
INSERT INTO "custody_node" VALUES(15,X'F5FD0D589B34851CC79AE4224B0E1F20F1B02F7DDEE1BD3DFF8D6C503E1C6406');
INSERT INTO "custody_node" VALUES(16,X'B8F42D86023EAFA755E16E21286F084C302D4B4EE5B1EEF33A32E279578F73A4');
INSERT INTO "custody_node" VALUES(17,X'226994648215609336D2D41352632B41B8D32BE06F4A319D833913B1BDB02375');
INSERT INTO "custody_node" VALUES(18,X'09F783797000B997465CF712832F3C9FBD0D624435EFDF7BA3B54D04474568C8');
INSERT INTO "custody_node" VALUES(19,X'E284DCA2DCEDCB4CC34C17E393E169C8E1FFE411713F9726FC6D2E55250058AB');
INSERT INTO "custody_node" VALUES(20,X'F027F6D0C8CD3727EEB0491641FA3652D569D866EF707109F987680BB3EDC194');
INSERT INTO "custody_node" VALUES(21,X'D09168C267A593B6AEA947053F987E474F7EB17F4F0D9127BB3E5E0F6136BFF0');
INSERT INTO "custody_node" VALUES(22,X'EE97B025BECE4FAC746A3B621E3EE8E7A9468657A23ECEB3673CAADBA2E043F5');
INSERT INTO "custody_node" VALUES(23,X'83ECE7D0FD650CE2D440AF2394C6D4BF02F3EA1CF6769F8A365FFEB1D6C57552');
INSERT INTO "custody_node" VALUES(24,X'94545EABEB1FF47AF85D26BB3B5FC573DD8C0B11D7D006A59F0E34005BAB3E41');
INSERT INTO "custody_node" VALUES(25,X'B169BB36D7734446B1E19CF058EABB0F5B9023438849620DFEB65E4748F5ADB3');
INSERT INTO "custody_node" VALUES(26,X'DAEAEE9589E9741A3968C71B9418F30A7EC8AE55795A73FE1A607695877E2475');
INSERT INTO "custody_node" VALUES(27,X'6A288F9FF4FC5FAE90A63F6D34B7FA0BBFAFEFC99097FA7D27D9F3063BD4BE29');
INSERT INTO "custody_node" VALUES(28,X'DD338063D5CB960E6435D115BDCAAF43774923819E49CF126A72FB93FD4FB33B');
INSERT INTO "custody_node" VALUES(29,X'630CE5971171E1ACF970A72D6ADA156DB448238E66997152057EA7D7317F3738');
INSERT INTO "custody_node" VALUES(30,X'72CF15408BB6FA600522F0FAA9A2C17D2A9D298713F80009D45ACA9CDF13521C');
INSERT INTO "custody_node" VALUES(32,X'C682CC5AE547E00FBCF95FF1188A5DF8E4C62CD287C682D03A61EF0CA488F23E');
CREATE TABLE evaluation_run (
	id VARCHAR(64) NOT NULL, 
	request_digest VARCHAR(71) NOT NULL, 
	reference VARCHAR(64) NOT NULL, 
	model_version VARCHAR(64) NOT NULL, 
	model_digest VARCHAR(71) NOT NULL, 
	split VARCHAR(64) NOT NULL, 
	heldout_digest VARCHAR(71) NOT NULL, 
	results_digest VARCHAR(71) NOT NULL, 
	metric VARCHAR(64) NOT NULL, 
	score TEXT NOT NULL, 
	score_low TEXT NOT NULL, 
	score_high TEXT NOT NULL, 
	baseline VARCHAR(64) NOT NULL, 
	baseline_score TEXT NOT NULL, 
	passed BOOLEAN NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_evaluation_run PRIMARY KEY (id)
);
INSERT INTO "evaluation_run" VALUES('evaluation_7205053vy4wc5efqpgvykscnkh','sha256:558554387b54568c5cf94748019a03ca0c832c69535b8e93f7fda6fa8d13ac9b','b8f42d86023eafa755e16e21286f084c302d4b4ee5b1eef33a32e279578f73a4','model_0hqf5gx8b9ms1ebpdvz9by4mwg','sha256:d9944f542c32599c465376ac4a6b9312687976b32b04bcce6326aed88e59c443','split_6ps3jyn6xbysft7hft2err7r88','sha256:baa831580eb453f3375c3ebed9ab3448a611b8d8f2fecdda277caaf8488fd237','sha256:560037ec60704bf8bae3810fcb1148cda2d053db5b2ce672f1f10639e03ef39e','macro_f1','0.218321','0.116359','0.301069','majority','0.008333',1,1795345377664026);
CREATE TABLE evaluation_split (
	id VARCHAR(64) NOT NULL, 
	request_digest VARCHAR(71) NOT NULL, 
	reference VARCHAR(64) NOT NULL, 
	dataset_digest VARCHAR(71) NOT NULL, 
	train_digest VARCHAR(71) NOT NULL, 
	heldout_digest VARCHAR(71) NOT NULL, 
	grant_reference VARCHAR(64) NOT NULL, 
	held_out_percent INTEGER NOT NULL, 
	seed BIGINT NOT NULL, 
	groups INTEGER NOT NULL, 
	groups_heldout INTEGER NOT NULL, 
	documents_train INTEGER NOT NULL, 
	documents_heldout INTEGER NOT NULL, 
	documents_unlabelled INTEGER NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_evaluation_split PRIMARY KEY (id)
);
INSERT INTO "evaluation_split" VALUES('split_6ps3jyn6xbysft7hft2err7r88','sha256:e9c43a345f69e2b349ad77fe42f8193908fe1e739cca39b0942e220fc50aaa10','d5bb06971cebcda64811e7b13b3d6b35bd079ed941c2b82af4ee72c11137d601','sha256:f98c4ec80b3775d4cb5158fc753eeb1491cb49a6a562da7f36af1b994324e00a','sha256:07a3838ca5506ecb4e846452e09878fef737e379240db5ac2bba8c689713c047','sha256:baa831580eb453f3375c3ebed9ab3448a611b8d8f2fecdda277caaf8488fd237','70c823ad183608222e3287a7d102c3768678cdebe06ddc90dd004ebe82d15999',20,12345,350,70,300,76,0,1795345376224962);
CREATE TABLE exchange_access (
	number INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	grant_id VARCHAR(64) NOT NULL, 
	organisation VARCHAR(64) NOT NULL, 
	purpose TEXT NOT NULL, 
	at_us BIGINT NOT NULL, 
	allowed BOOLEAN NOT NULL, 
	reasons TEXT NOT NULL, 
	CONSTRAINT pk_exchange_access PRIMARY KEY (number), 
	CONSTRAINT uq_exchange_access_id UNIQUE (id)
);
INSERT INTO "exchange_access" VALUES(1,'access_4ktegtsky7a9th5md544ayxpzs','grant_7a39p8qgh7ds4v5vb1zcr0h044','org_2ze6d86hhhss2wejvat4dv0zhq','model-training',1795345376209623,1,'[]');
INSERT INTO "exchange_access" VALUES(2,'access_01m81errz3tv2dfv1de5761wyd','grant_7a39p8qgh7ds4v5vb1zcr0h044','org_2qbn4cndemq84pn8tmmdgxtqv7','model-training',1795345376227640,0,'["exchange.no_grant"]');
CREATE TABLE exchange_agreement (
	id VARCHAR(64) NOT NULL, 
	terms TEXT NOT NULL, 
	digest VARCHAR(71) NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_exchange_agreement PRIMARY KEY (id)
);
INSERT INTO "exchange_agreement" VALUES('agreement_04s7s85gxss2fx695m3gdm4n42','{"buyer":"org_2ze6d86hhhss2wejvat4dv0zhq","certificate":"certificate_414kwkzw23r6w2m9sbgrhke43g","dataset_digest":"sha256:f98c4ec80b3775d4cb5158fc753eeb1491cb49a6a562da7f36af1b994324e00a","fee_owner":null,"fee_percent":0,"holder":"org_42y2t5kr77z7044j81f53qskpr","licence":"CC-BY-4.0","listing":"listing_4bdrammbvqy7pwdqzz7mcctfa3","listing_reference":"97bfde41de2ec09c101ece804557cb2040689c46231a18e534b5320115ad9e8d","policy":{"accesses_max":null,"organisation_kinds":["company","sme","university"],"profile":"yunhe-policy/1","prohibited":["onward-transfer","re-identification"],"purposes":["model-evaluation","model-training","research"],"valid_days":365},"policy_digest":"sha256:40c146fa064aa6d8322cc65ec96b3e561e2cb2c04c93fad8a4b59955df2b92a5","price_minor":120000,"title":"12345 热线工单（合成，去标识化）","unit":"CNY"}','sha256:8dd046a0c62f25f8ece6917467c4b3786ab9b98b5eb0447d28bfe2b791f393e0',1795345376200818);
CREATE TABLE exchange_grant (
	id VARCHAR(64) NOT NULL, 
	reference VARCHAR(64) NOT NULL, 
	order_id VARCHAR(64) NOT NULL, 
	agreement VARCHAR(64) NOT NULL, 
	listing VARCHAR(64) NOT NULL, 
	buyer VARCHAR(64) NOT NULL, 
	dataset_digest VARCHAR(71) NOT NULL, 
	transfer VARCHAR(64) NOT NULL, 
	granted_at_us BIGINT NOT NULL, 
	expires_at_us BIGINT NOT NULL, 
	revoked_at_us BIGINT, 
	CONSTRAINT pk_exchange_grant PRIMARY KEY (id), 
	CONSTRAINT uq_exchange_grant_order_id UNIQUE (order_id)
);
INSERT INTO "exchange_grant" VALUES('grant_7a39p8qgh7ds4v5vb1zcr0h044','70c823ad183608222e3287a7d102c3768678cdebe06ddc90dd004ebe82d15999','order_0ykkb1ne2m9hvbzk8j3tpywf02','agreement_04s7s85gxss2fx695m3gdm4n42','listing_4bdrammbvqy7pwdqzz7mcctfa3','org_2ze6d86hhhss2wejvat4dv0zhq','sha256:f98c4ec80b3775d4cb5158fc753eeb1491cb49a6a562da7f36af1b994324e00a','transfer_2byn9fy7vpm73gjmwtcky33nvm',1795345376205383,1826881376205383,NULL);
CREATE TABLE exchange_listing (
	id VARCHAR(64) NOT NULL, 
	reference VARCHAR(64) NOT NULL, 
	certificate VARCHAR(64) NOT NULL, 
	certificate_reference VARCHAR(64) NOT NULL, 
	dataset_digest VARCHAR(71) NOT NULL, 
	title TEXT NOT NULL, 
	holder VARCHAR(64) NOT NULL, 
	licence TEXT NOT NULL, 
	price_minor BIGINT NOT NULL, 
	unit TEXT NOT NULL, 
	policy TEXT NOT NULL, 
	state VARCHAR(64) NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_exchange_listing PRIMARY KEY (id)
);
INSERT INTO "exchange_listing" VALUES('listing_4bdrammbvqy7pwdqzz7mcctfa3','97bfde41de2ec09c101ece804557cb2040689c46231a18e534b5320115ad9e8d','certificate_414kwkzw23r6w2m9sbgrhke43g','350fe2eda6296632d616c55ba6a0a188b1a79016b81230e29ccd111ba03857c3','sha256:f98c4ec80b3775d4cb5158fc753eeb1491cb49a6a562da7f36af1b994324e00a','12345 热线工单（合成，去标识化）','org_42y2t5kr77z7044j81f53qskpr','CC-BY-4.0',120000,'CNY','{"accesses_max":null,"organisation_kinds":["company","sme","university"],"profile":"yunhe-policy/1","prohibited":["onward-transfer","re-identification"],"purposes":["model-evaluation","model-training","research"],"valid_days":365}','listed',1795345376197905);
CREATE TABLE exchange_order (
	id VARCHAR(64) NOT NULL, 
	agreement VARCHAR(64) NOT NULL, 
	listing VARCHAR(64) NOT NULL, 
	buyer VARCHAR(64) NOT NULL, 
	member VARCHAR(64) NOT NULL, 
	state VARCHAR(64) NOT NULL, 
	hold VARCHAR(64) NOT NULL, 
	hold_expires_at_us BIGINT NOT NULL, 
	attempt INTEGER NOT NULL, 
	transfer VARCHAR(64) NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_exchange_order PRIMARY KEY (id)
);
INSERT INTO "exchange_order" VALUES('order_0ykkb1ne2m9hvbzk8j3tpywf02','agreement_04s7s85gxss2fx695m3gdm4n42','listing_4bdrammbvqy7pwdqzz7mcctfa3','org_2ze6d86hhhss2wejvat4dv0zhq','mem_10agcp0fhwf356twygwr2yk8z0','settled','transfer_1z2t5tckb65p2qraff47vp2ftg',1795348976200818,1,'transfer_2byn9fy7vpm73gjmwtcky33nvm',1795345376200818);
CREATE TABLE governance_approval (
	id VARCHAR(64) NOT NULL, 
	reference VARCHAR(64) NOT NULL, 
	model_version VARCHAR(64) NOT NULL, 
	model_digest VARCHAR(71) NOT NULL, 
	approver VARCHAR(64) NOT NULL, 
	round INTEGER NOT NULL, 
	role VARCHAR(64) NOT NULL, 
	decision VARCHAR(64) NOT NULL, 
	evaluation_reference VARCHAR(64) NOT NULL, 
	risk VARCHAR(64) NOT NULL, 
	expires_at_us BIGINT NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_governance_approval PRIMARY KEY (id), 
	CONSTRAINT uq_governance_approval_model_version_approver_round UNIQUE (model_version, approver, round)
);
INSERT INTO "governance_approval" VALUES('approval_29qdr5mbb3rfj041bkpgghp0ek','f027f6d0c8cd3727eeb0491641fa3652d569d866ef707109f987680bb3edc194','model_0hqf5gx8b9ms1ebpdvz9by4mwg','sha256:d9944f542c32599c465376ac4a6b9312687976b32b04bcce6326aed88e59c443','mem_3zrmj5rn8eqnt56cnxmwnjvaxd',1,'risk_officer','approve','b8f42d86023eafa755e16e21286f084c302d4b4ee5b1eef33a32e279578f73a4','risk_5rswhwcsmhtv50a7jkedecppvv',1810897376076664,1795345377674084);
INSERT INTO "governance_approval" VALUES('approval_5zye93vqsmg4zhqqam3zknctxz','ee97b025bece4fac746a3b621e3ee8e7a9468657a23eceb3673caadba2e043f5','model_0hqf5gx8b9ms1ebpdvz9by4mwg','sha256:d9944f542c32599c465376ac4a6b9312687976b32b04bcce6326aed88e59c443','mem_49fgyg3qps0krkk6mtzjpgf296',1,'release_owner','approve','b8f42d86023eafa755e16e21286f084c302d4b4ee5b1eef33a32e279578f73a4','risk_5rswhwcsmhtv50a7jkedecppvv',1810897376076664,1795345377677376);
CREATE TABLE governance_evidence (
	id VARCHAR(64) NOT NULL, 
	risk VARCHAR(64) NOT NULL, 
	measure VARCHAR(64) NOT NULL, 
	digest VARCHAR(71) NOT NULL, 
	member VARCHAR(64) NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_governance_evidence PRIMARY KEY (id)
);
INSERT INTO "governance_evidence" VALUES('evidence_48r7vxg0epzxhppatswb9sxt64','risk_5rswhwcsmhtv50a7jkedecppvv','model_card','sha256:57aeb394ec5738f590f793b6f0aa9c89e85c6373e5aa4b111be92472e206a0d9','mem_3zrmj5rn8eqnt56cnxmwnjvaxd',1795345377671611);
INSERT INTO "governance_evidence" VALUES('evidence_2hm3x9g3yjqnb68wny9qhy3d5h','risk_5rswhwcsmhtv50a7jkedecppvv','dataset_records','sha256:ebbd2d54ccd850488e623b6d778e7e7b93dd9ad1271b7671ee210d1f7a1f6aeb','mem_3zrmj5rn8eqnt56cnxmwnjvaxd',1795345377673505);
CREATE TABLE governance_release (
	id VARCHAR(64) NOT NULL, 
	reference VARCHAR(64) NOT NULL, 
	model_version VARCHAR(64) NOT NULL, 
	model_digest VARCHAR(71) NOT NULL, 
	evaluation_reference VARCHAR(64) NOT NULL, 
	risk VARCHAR(64) NOT NULL, 
	approvals TEXT NOT NULL, 
	valid_until_us BIGINT NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_governance_release PRIMARY KEY (id)
);
INSERT INTO "governance_release" VALUES('release_7k9227y33fnrh48ewr80edajze','94545eabeb1ff47af85d26bb3b5fc573dd8c0b11d7d006a59f0e34005bab3e41','model_0hqf5gx8b9ms1ebpdvz9by4mwg','sha256:d9944f542c32599c465376ac4a6b9312687976b32b04bcce6326aed88e59c443','b8f42d86023eafa755e16e21286f084c302d4b4ee5b1eef33a32e279578f73a4','risk_5rswhwcsmhtv50a7jkedecppvv','["approval_29qdr5mbb3rfj041bkpgghp0ek","approval_5zye93vqsmg4zhqqam3zknctxz"]',1810897376076664,1795345377679484);
CREATE TABLE governance_risk (
	id VARCHAR(64) NOT NULL, 
	reference VARCHAR(64) NOT NULL, 
	model_version VARCHAR(64) NOT NULL, 
	model_reference VARCHAR(64) NOT NULL, 
	model_digest VARCHAR(71) NOT NULL, 
	facts TEXT NOT NULL, 
	day TEXT NOT NULL, 
	rules_version TEXT NOT NULL, 
	grading TEXT NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_governance_risk PRIMARY KEY (id)
);
INSERT INTO "governance_risk" VALUES('risk_5rswhwcsmhtv50a7jkedecppvv','09f783797000b997465cf712832f3c9fbd0d624435efdf7ba3b54d04474568c8','model_0hqf5gx8b9ms1ebpdvz9by4mwg','e82de97bceabb55ed0ae78504e2b32b72b649fad4219d2810636c272ee839a65','sha256:d9944f542c32599c465376ac4a6b9312687976b32b04bcce6326aed88e59c443','{"agent_tools":[],"autonomy":"assist","base_model_filed":"no_base_model","biometric":"none","critical_infra":false,"cross_border":false,"decision_effect":"advice","domain":["public_service"],"emotional_companion":false,"ethics_list":[],"eu_market":false,"function":["classification"],"generative":false,"kr_market":false,"mau":0,"minors":false,"modality":["text"],"open_weights":false,"opinion_mobilisation":false,"personal_data":"pi","practices":[],"public_facing":false,"purpose_a1":false,"self_harm_domain":false,"sg_market":false,"training_flop":"0","users_registered":0,"virtual_relations":false}','2026-11-22','2026.11.1+a32747229166','{"by_jurisdiction":{"CN":"R1","EU":"R1","KR":"R1","SG":"R1"},"covered":true,"findings":[],"fired":[{"citation":{"article":"L1","certainty":"design","instrument_en":"Yunhe decision table: internal tool, a person reviews the output","instrument_zh":"运河分级表：内部工具且由人复核输出","jurisdiction":"platform","note":"","standard_version":"","valid_from":"2025-01-01","valid_to":"","verified":true},"id":"L1-platform","lift":0,"missing":[],"row":"L1","tier":"R1"}],"measures":[{"citation":{"article":"","certainty":"design","instrument_en":"Yunhe measures per tier","instrument_zh":"运河分级措施表","jurisdiction":"platform","note":"","standard_version":"","valid_from":"2025-01-01","valid_to":"","verified":true},"every_days":0,"evidence":"record","id":"inventory_record","rows":[],"stage":"before_release"},{"citation":{"article":"","certainty":"design","instrument_en":"Yunhe measures per tier","instrument_zh":"运河分级措施表","jurisdiction":"platform","note":"","standard_version":"","valid_from":"2025-01-01","valid_to":"","verified":true},"every_days":0,"evidence":"record","id":"owner","rows":[],"stage":"before_release"},{"citation":{"article":"","certainty":"design","instrument_en":"Yunhe measures per tier","instrument_zh":"运河分级措施表","jurisdiction":"platform","note":"","standard_version":"","valid_from":"2025-01-01","valid_to":"","verified":true},"every_days":365,"evidence":"record","id":"yearly_check","rows":[],"stage":"in_operation"},{"citation":{"article":"","certainty":"design","instrument_en":"Yunhe measures per tier","instrument_zh":"运河分级措施表","jurisdiction":"platform","note":"","standard_version":"","valid_from":"2025-01-01","valid_to":"","verified":true},"every_days":0,"evidence":"document","id":"model_card","rows":[],"stage":"before_release"},{"citation":{"article":"","certainty":"design","instrument_en":"Yunhe measures per tier","instrument_zh":"运河分级措施表","jurisdiction":"platform","note":"","standard_version":"","valid_from":"2025-01-01","valid_to":"","verified":true},"every_days":0,"evidence":"record","id":"dataset_records","rows":[],"stage":"before_release"},{"citation":{"article":"","certainty":"design","instrument_en":"Yunhe measures per tier","instrument_zh":"运河分级措施表","jurisdiction":"platform","note":"","standard_version":"","valid_from":"2025-01-01","valid_to":"","verified":true},"every_days":0,"evidence":"record","id":"licence_check","rows":[],"stage":"before_release"},{"citation":{"article":"","certainty":"design","instrument_en":"Yunhe measures per tier","instrument_zh":"运河分级措施表","jurisdiction":"platform","note":"","standard_version":"","valid_from":"2025-01-01","valid_to":"","verified":true},"every_days":0,"evidence":"test_report","id":"smoke_safety_set","rows":[],"stage":"before_release"},{"citation":{"article":"","certainty":"design","instrument_en":"Yunhe measures per tier","instrument_zh":"运河分级措施表","jurisdiction":"platform","note":"","standard_version":"","valid_from":"2025-01-01","valid_to":"","verified":true},"every_days":0,"evidence":"configuration","id":"incident_channel","rows":[],"stage":"in_operation"}],"missing":[],"tier":"R1","upcoming":[]}',1795345377667629);
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
INSERT INTO "identity_key" VALUES('key_01m81ertcqxtnadfxdv606zthd','mem_6h22nz5fk9xjz0yzpf52p20syf','run_7d2dvw6a6qp5xa0merheadbwe1/caller','e128f32ada911fe6d87b1620b6f0138613277692b67abb1a86c79bfc07f9af91',1795345377686221,1795431777686221,1795345377917832);
CREATE TABLE identity_member (
	id VARCHAR(64) NOT NULL, 
	organisation VARCHAR(64) NOT NULL, 
	name TEXT NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_identity_member PRIMARY KEY (id)
);
INSERT INTO "identity_member" VALUES('mem_3wdt0gywfy5ndzgrm5ye6q6vwa','org_3sbds803r6pwk4mhyvr1dpjvf2','运营管理员',1795345376086491);
INSERT INTO "identity_member" VALUES('mem_6wrv42jzdab6x2zztm2952tmqg','org_42y2t5kr77z7044j81f53qskpr','数据专员',1795345376086491);
INSERT INTO "identity_member" VALUES('mem_10agcp0fhwf356twygwr2yk8z0','org_2ze6d86hhhss2wejvat4dv0zhq','课题负责人',1795345376086491);
INSERT INTO "identity_member" VALUES('mem_6st8yw0rkhdbvee9645m002txy','org_2kfb5rnp6zgwtypp76dmfnbzzc','评测工程师',1795345376086491);
INSERT INTO "identity_member" VALUES('mem_3zrmj5rn8eqnt56cnxmwnjvaxd','org_3sbds803r6pwk4mhyvr1dpjvf2','风险审核员',1795345376086491);
INSERT INTO "identity_member" VALUES('mem_49fgyg3qps0krkk6mtzjpgf296','org_42y2t5kr77z7044j81f53qskpr','业务负责人',1795345376086491);
INSERT INTO "identity_member" VALUES('mem_6h22nz5fk9xjz0yzpf52p20syf','org_42y2t5kr77z7044j81f53qskpr','派单席位',1795345376086491);
CREATE TABLE identity_organisation (
	id VARCHAR(64) NOT NULL, 
	name TEXT NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_identity_organisation PRIMARY KEY (id)
);
INSERT INTO "identity_organisation" VALUES('org_3sbds803r6pwk4mhyvr1dpjvf2','示范市算力与数据运营中心','operator',1795345376086491);
INSERT INTO "identity_organisation" VALUES('org_2qbn4cndemq84pn8tmmdgxtqv7','示范智算中心','provider',1795345376086491);
INSERT INTO "identity_organisation" VALUES('org_42y2t5kr77z7044j81f53qskpr','示范市12345热线办公室','data_holder',1795345376086491);
INSERT INTO "identity_organisation" VALUES('org_2ze6d86hhhss2wejvat4dv0zhq','示范大学人工智能学院','university',1795345376086491);
INSERT INTO "identity_organisation" VALUES('org_2kfb5rnp6zgwtypp76dmfnbzzc','示范市大模型评测中心','evaluator',1795345376086491);
CREATE TABLE identity_role (
	member VARCHAR(64) NOT NULL, 
	role VARCHAR(64) NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_identity_role PRIMARY KEY (member, role)
);
INSERT INTO "identity_role" VALUES('mem_3wdt0gywfy5ndzgrm5ye6q6vwa','operator',1795345376086491);
INSERT INTO "identity_role" VALUES('mem_6wrv42jzdab6x2zztm2952tmqg','data_steward',1795345376086491);
INSERT INTO "identity_role" VALUES('mem_10agcp0fhwf356twygwr2yk8z0','buyer',1795345376086491);
INSERT INTO "identity_role" VALUES('mem_10agcp0fhwf356twygwr2yk8z0','trainer',1795345376086491);
INSERT INTO "identity_role" VALUES('mem_6st8yw0rkhdbvee9645m002txy','evaluator',1795345376086491);
INSERT INTO "identity_role" VALUES('mem_3zrmj5rn8eqnt56cnxmwnjvaxd','risk_officer',1795345376086491);
INSERT INTO "identity_role" VALUES('mem_49fgyg3qps0krkk6mtzjpgf296','release_owner',1795345376086491);
INSERT INTO "identity_role" VALUES('mem_6h22nz5fk9xjz0yzpf52p20syf','caller',1795345376086491);
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
INSERT INTO "ledger_account" VALUES('acct_11znaz39gz1xqdzvck2s8sv0w4','ledger','CNY','escrow',0,120240,120240);
INSERT INTO "ledger_account" VALUES('acct_0cgp9pf79w833a9vc3q5h5hhx4','ledger','CNY','issuance',1,500000,0);
INSERT INTO "ledger_account" VALUES('acct_000ffffrq6g1ch6jhqjhtc009z','org_2ze6d86hhhss2wejvat4dv0zhq','CNY','cash',0,120240,500238);
INSERT INTO "ledger_account" VALUES('acct_6jcxy1k7zf3y815swez49yk4dt','org_42y2t5kr77z7044j81f53qskpr','CNY','cash',0,0,120000);
INSERT INTO "ledger_account" VALUES('acct_7na73fbcm3769dg8bdejj9xtfz','ledger','device:cpu','escrow',0,300000,300000);
INSERT INTO "ledger_account" VALUES('acct_3vbr1zyhyw6111pz1mr1fz4ge7','ledger','device:cpu','issuance',1,900000,0);
INSERT INTO "ledger_account" VALUES('acct_4qktr9775c2ran32g0jshbbz9z','org_2ze6d86hhhss2wejvat4dv0zhq','device:cpu','award',0,300000,1198701);
INSERT INTO "ledger_account" VALUES('acct_3x5xmq9mf07b65kdnn3beq1ax9','ledger','voucher:CNY','escrow',0,60,60);
INSERT INTO "ledger_account" VALUES('acct_6ra8xwx0x4fpvp2s2xafz3t6vg','ledger','voucher:CNY','issuance',1,1000,0);
INSERT INTO "ledger_account" VALUES('acct_2w1j1amx4fg5mgvwpczwn61c73','org_2ze6d86hhhss2wejvat4dv0zhq','voucher:CNY','voucher',0,60,1060);
INSERT INTO "ledger_account" VALUES('acct_4ttgmvc6q8jf2c9321ekcvpwwz','org_2qbn4cndemq84pn8tmmdgxtqv7','device:cpu','delivered',0,0,1299);
INSERT INTO "ledger_account" VALUES('acct_69h45x3yb6grhknjtn94886e0c','org_2qbn4cndemq84pn8tmmdgxtqv7','voucher:CNY','voucher',0,0,0);
INSERT INTO "ledger_account" VALUES('acct_7acbs1avyceev7w69rxyvpc44v','org_2qbn4cndemq84pn8tmmdgxtqv7','CNY','cash',0,0,2);
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
INSERT INTO "ledger_entry" VALUES('transfer_5g89001vecjsjtzwtabq4xa16q',1,'acct_0cgp9pf79w833a9vc3q5h5hhx4','acct_000ffffrq6g1ch6jhqjhtc009z','CNY',500000);
INSERT INTO "ledger_entry" VALUES('transfer_1z2t5tckb65p2qraff47vp2ftg',1,'acct_000ffffrq6g1ch6jhqjhtc009z','acct_11znaz39gz1xqdzvck2s8sv0w4','CNY',120000);
INSERT INTO "ledger_entry" VALUES('transfer_2byn9fy7vpm73gjmwtcky33nvm',1,'acct_11znaz39gz1xqdzvck2s8sv0w4','acct_6jcxy1k7zf3y815swez49yk4dt','CNY',120000);
INSERT INTO "ledger_entry" VALUES('transfer_4vq66emy9me6emtppce9kgn379',1,'acct_3vbr1zyhyw6111pz1mr1fz4ge7','acct_4qktr9775c2ran32g0jshbbz9z','device:cpu',900000);
INSERT INTO "ledger_entry" VALUES('transfer_6ajycv87stehyfhm0xg3280gk0',1,'acct_6ra8xwx0x4fpvp2s2xafz3t6vg','acct_2w1j1amx4fg5mgvwpczwn61c73','voucher:CNY',1000);
INSERT INTO "ledger_entry" VALUES('transfer_3sd10d2447f3q2cs24n5kk9p5j',1,'acct_4qktr9775c2ran32g0jshbbz9z','acct_7na73fbcm3769dg8bdejj9xtfz','device:cpu',300000);
INSERT INTO "ledger_entry" VALUES('transfer_419g8emj6567be3y9cvr555q28',1,'acct_2w1j1amx4fg5mgvwpczwn61c73','acct_3x5xmq9mf07b65kdnn3beq1ax9','voucher:CNY',60);
INSERT INTO "ledger_entry" VALUES('transfer_1mvj9yvj05e327yxy2ett2kav0',1,'acct_000ffffrq6g1ch6jhqjhtc009z','acct_11znaz39gz1xqdzvck2s8sv0w4','CNY',240);
INSERT INTO "ledger_entry" VALUES('transfer_1pqf6ce8t26fw0k6a6ywrcrg22',1,'acct_7na73fbcm3769dg8bdejj9xtfz','acct_4ttgmvc6q8jf2c9321ekcvpwwz','device:cpu',1299);
INSERT INTO "ledger_entry" VALUES('transfer_1pqf6ce8t26fw0k6a6ywrcrg22',0,'acct_7na73fbcm3769dg8bdejj9xtfz','acct_4qktr9775c2ran32g0jshbbz9z','device:cpu',298701);
INSERT INTO "ledger_entry" VALUES('transfer_4t982000jxta0wd1v0cd7y0h1b',0,'acct_3x5xmq9mf07b65kdnn3beq1ax9','acct_2w1j1amx4fg5mgvwpczwn61c73','voucher:CNY',60);
INSERT INTO "ledger_entry" VALUES('transfer_1g7arc8492mz63mfsx3znnd0ce',1,'acct_11znaz39gz1xqdzvck2s8sv0w4','acct_7acbs1avyceev7w69rxyvpc44v','CNY',2);
INSERT INTO "ledger_entry" VALUES('transfer_1g7arc8492mz63mfsx3znnd0ce',0,'acct_11znaz39gz1xqdzvck2s8sv0w4','acct_000ffffrq6g1ch6jhqjhtc009z','CNY',238);
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
INSERT INTO "ledger_hold" VALUES('transfer_1z2t5tckb65p2qraff47vp2ftg','acct_000ffffrq6g1ch6jhqjhtc009z','CNY',120000,1795348976200818,'captured');
INSERT INTO "ledger_hold" VALUES('transfer_3sd10d2447f3q2cs24n5kk9p5j','acct_4qktr9775c2ran32g0jshbbz9z','device:cpu',300000,1800529676245832,'captured');
INSERT INTO "ledger_hold" VALUES('transfer_419g8emj6567be3y9cvr555q28','acct_2w1j1amx4fg5mgvwpczwn61c73','voucher:CNY',60,1800529676245832,'captured');
INSERT INTO "ledger_hold" VALUES('transfer_1mvj9yvj05e327yxy2ett2kav0','acct_000ffffrq6g1ch6jhqjhtc009z','CNY',240,1800529676245832,'captured');
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
INSERT INTO "ledger_transfer" VALUES(1,'transfer_5g89001vecjsjtzwtabq4xa16q','run_7d2dvw6a6qp5xa0merheadbwe1/funds','grant','sha256:851c95d4c9b120d63044e4c377338751929958a73026c9326f7cac1d25ece649',1795345376193351,'',NULL,NULL);
INSERT INTO "ledger_transfer" VALUES(2,'transfer_1z2t5tckb65p2qraff47vp2ftg','exchange.hold:order_0ykkb1ne2m9hvbzk8j3tpywf02:1','hold','sha256:e73f46622d141cda55e15fe768d090f21fe721a3b469d8a970dd1f05da52e32a',1795345376200818,'order_0ykkb1ne2m9hvbzk8j3tpywf02',NULL,NULL);
INSERT INTO "ledger_transfer" VALUES(3,'transfer_2byn9fy7vpm73gjmwtcky33nvm','exchange.capture:order_0ykkb1ne2m9hvbzk8j3tpywf02','capture','sha256:4dce20fa9a2a9b369365031bbee7029b163fcc513c2914575eac295f47cff8ff',1795345376205383,'order_0ykkb1ne2m9hvbzk8j3tpywf02','transfer_1z2t5tckb65p2qraff47vp2ftg',NULL);
INSERT INTO "ledger_transfer" VALUES(4,'transfer_4vq66emy9me6emtppce9kgn379','compute:award_6b9bc33p0evfajrt4whg9w0y0t','grant','sha256:69c000dc73d9bc068d2142adbd4ce3a8b8884017bc350756f598e11d22412b2f',1795345376234608,'award_6b9bc33p0evfajrt4whg9w0y0t',NULL,NULL);
INSERT INTO "ledger_transfer" VALUES(5,'transfer_6ajycv87stehyfhm0xg3280gk0','compute:voucher_73f36y08qnx1ab6sr2mbdz8g7e','grant','sha256:e738eddb568a29f89e70a5a276d645b4dd0a6b1424403b258d01e9352ea98471',1795345376239474,'voucher_73f36y08qnx1ab6sr2mbdz8g7e',NULL,NULL);
INSERT INTO "ledger_transfer" VALUES(6,'transfer_3sd10d2447f3q2cs24n5kk9p5j','compute:workload_6c4vz050cv4rmg0e1a6ga0rzkq:1:award','hold','sha256:4c980b1e43c1b93d0512f2d90c4967d3198e67bb4ace081ce67cc8eb1bf275a6',1795345376245832,'workload_6c4vz050cv4rmg0e1a6ga0rzkq',NULL,NULL);
INSERT INTO "ledger_transfer" VALUES(7,'transfer_419g8emj6567be3y9cvr555q28','compute:workload_6c4vz050cv4rmg0e1a6ga0rzkq:1:voucher','hold','sha256:269f10e596561f2923759b8845437ccdbbbd81047d36104810d4c4e5a22a5472',1795345376245832,'workload_6c4vz050cv4rmg0e1a6ga0rzkq',NULL,NULL);
INSERT INTO "ledger_transfer" VALUES(8,'transfer_1mvj9yvj05e327yxy2ett2kav0','compute:workload_6c4vz050cv4rmg0e1a6ga0rzkq:1:cash','hold','sha256:67bd00c20ddd0d4350e6fa2161493b2b232f0607b94f0910a29cad080f2bd2d3',1795345376245832,'workload_6c4vz050cv4rmg0e1a6ga0rzkq',NULL,NULL);
INSERT INTO "ledger_transfer" VALUES(9,'transfer_1pqf6ce8t26fw0k6a6ywrcrg22','transfer_3sd10d2447f3q2cs24n5kk9p5j:capture','capture','sha256:064435dc09720ccff351878c71dac0f594842c290285f1385a0793d74d019b39',1795345377604151,'workload_6c4vz050cv4rmg0e1a6ga0rzkq','transfer_3sd10d2447f3q2cs24n5kk9p5j',NULL);
INSERT INTO "ledger_transfer" VALUES(10,'transfer_4t982000jxta0wd1v0cd7y0h1b','transfer_419g8emj6567be3y9cvr555q28:capture','capture','sha256:114af3c615585743bacb08bff1e2d1567ac3210851fee4cf5f966ca08680840d',1795345377604151,'workload_6c4vz050cv4rmg0e1a6ga0rzkq','transfer_419g8emj6567be3y9cvr555q28',NULL);
INSERT INTO "ledger_transfer" VALUES(11,'transfer_1g7arc8492mz63mfsx3znnd0ce','transfer_1mvj9yvj05e327yxy2ett2kav0:capture','capture','sha256:e3ae893dc1c9264ea3a90dbd1c84cdb171b0edae391231b943731337ffa29e31',1795345377604151,'workload_6c4vz050cv4rmg0e1a6ga0rzkq','transfer_1mvj9yvj05e327yxy2ett2kav0',NULL);
CREATE TABLE models_answer (
	id VARCHAR(64) NOT NULL, 
	reference TEXT NOT NULL, 
	deployment VARCHAR(64) NOT NULL, 
	tenant VARCHAR(71) NOT NULL, 
	label TEXT NOT NULL, 
	nonce VARCHAR(64) NOT NULL, 
	request_commitment VARCHAR(71) NOT NULL, 
	response_commitment VARCHAR(71) NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_models_answer PRIMARY KEY (id)
);
INSERT INTO "models_answer" VALUES('ans_01m81ertdwj3sy7zgt03t5dnth','dd338063d5cb960e6435d115bdcaaf43774923819e49cf126a72fb93fd4fb33b','dep_1a9en27yn1dfj4d0806epz00mv','sha256:7287296bfff3952544ea4ad3d0f82585628c215b9ba7c598e9e30c9b67635ac0','住房建设','b4a406454f0753d3402b985481185d33','sha256:7ec2603138a7bcdc193f00becd034fb39368c8bb9c5c160de4b561c8edc1baa7','sha256:cc7385459616f28f017d12421b0a85bdd11983b779b2d04bc2bac2242cb38a86',1795345377725003);
INSERT INTO "models_answer" VALUES('ans_01m81erte1e15sm7mx55nvf302','72cf15408bb6fa600522f0faa9a2c17d2a9d298713f80009d45aca9cdf13521c','dep_1a9en27yn1dfj4d0806epz00mv','sha256:7287296bfff3952544ea4ad3d0f82585628c215b9ba7c598e9e30c9b67635ac0','生态环境','05f4e974c5b0167c3bcfbe87b0fdfbd0','sha256:e68a720c360ac5889c9a70fbc3b244229539d071f820f9b2899779deb13fe476','sha256:55156eef5a4ce4b4696b34c891af73beb79768bea325cdc5fe7021f71a880761',1795345377730251);
CREATE TABLE models_deployment (
	id VARCHAR(64) NOT NULL, 
	reference TEXT NOT NULL, 
	route VARCHAR(64) NOT NULL, 
	version VARCHAR(64) NOT NULL, 
	model_digest VARCHAR(71) NOT NULL, 
	certificate TEXT NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_models_deployment PRIMARY KEY (id)
);
INSERT INTO "models_deployment" VALUES('dep_1a9en27yn1dfj4d0806epz00mv','daeaee9589e9741a3968c71b9418f30a7ec8ae55795a73fe1a607695877e2475','hotline','model_0hqf5gx8b9ms1ebpdvz9by4mwg','sha256:d9944f542c32599c465376ac4a6b9312687976b32b04bcce6326aed88e59c443','94545eabeb1ff47af85d26bb3b5fc573dd8c0b11d7d006a59f0e34005bab3e41',1795345377683641);
CREATE TABLE models_route (
	route VARCHAR(64) NOT NULL, 
	deployment VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_models_route PRIMARY KEY (route)
);
INSERT INTO "models_route" VALUES('hotline','dep_1a9en27yn1dfj4d0806epz00mv');
CREATE TABLE models_version (
	id VARCHAR(64) NOT NULL, 
	reference TEXT NOT NULL, 
	name TEXT NOT NULL, 
	owner VARCHAR(64) NOT NULL, 
	model_digest VARCHAR(71) NOT NULL, 
	manifest_digest VARCHAR(71) NOT NULL, 
	card_digest VARCHAR(71) NOT NULL, 
	train_digest VARCHAR(71) NOT NULL, 
	state VARCHAR(64) NOT NULL, 
	certificate TEXT, 
	valid_until_us BIGINT, 
	state_at_us BIGINT NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_models_version PRIMARY KEY (id)
);
INSERT INTO "models_version" VALUES('model_0hqf5gx8b9ms1ebpdvz9by4mwg','e82de97bceabb55ed0ae78504e2b32b72b649fad4219d2810636c272ee839a65','hotline-router','org_2ze6d86hhhss2wejvat4dv0zhq','sha256:d9944f542c32599c465376ac4a6b9312687976b32b04bcce6326aed88e59c443','sha256:a11ed5777f12cc7bc6444afb2d17a196443b46626b0b9b54e7899b3e3d6205f5','sha256:57aeb394ec5738f590f793b6f0aa9c89e85c6373e5aa4b111be92472e206a0d9','sha256:07a3838ca5506ecb4e846452e09878fef737e379240db5ac2bba8c689713c047','approved','94545eabeb1ff47af85d26bb3b5fc573dd8c0b11d7d006a59f0e34005bab3e41',1810897376076664,1795345377679484,1795345377622511);
CREATE TABLE plans_run (
	id VARCHAR(64) NOT NULL, 
	"plan" TEXT NOT NULL, 
	plan_digest VARCHAR(71) NOT NULL, 
	input_digest VARCHAR(71) NOT NULL, 
	input_path TEXT NOT NULL, 
	started_at_us BIGINT NOT NULL, 
	finished_at_us BIGINT, 
	passed BOOLEAN, 
	CONSTRAINT pk_plans_run PRIMARY KEY (id)
);
INSERT INTO "plans_run" VALUES('run_7d2dvw6a6qp5xa0merheadbwe1','hotline','sha256:c9ea8733a8f58576195f104abd88663c7bca3dd4d5cbff96ae4f10e800a6aca1','sha256:a680fa5186329ce61593df1cccdfcab5d9de54f476682544066067c2dfde6212','/srv/tickets.jsonl',1795345376076664,1795345377936187,1);
CREATE TABLE plans_stage (
	run VARCHAR(64) NOT NULL, 
	stage VARCHAR(64) NOT NULL, 
	position INTEGER NOT NULL, 
	milliseconds INTEGER NOT NULL, 
	result TEXT NOT NULL, 
	CONSTRAINT pk_plans_stage PRIMARY KEY (run, stage)
);
INSERT INTO "plans_stage" VALUES('run_7d2dvw6a6qp5xa0merheadbwe1','people',0,6,'{"members":{"admin":"mem_3wdt0gywfy5ndzgrm5ye6q6vwa","desk":"mem_6h22nz5fk9xjz0yzpf52p20syf","examiner":"mem_6st8yw0rkhdbvee9645m002txy","release-owner":"mem_49fgyg3qps0krkk6mtzjpgf296","researcher":"mem_10agcp0fhwf356twygwr2yk8z0","risk-officer":"mem_3zrmj5rn8eqnt56cnxmwnjvaxd","steward":"mem_6wrv42jzdab6x2zztm2952tmqg"},"organisations":{"city":"org_3sbds803r6pwk4mhyvr1dpjvf2","hotline":"org_42y2t5kr77z7044j81f53qskpr","machine-room":"org_2qbn4cndemq84pn8tmmdgxtqv7","test-centre":"org_2kfb5rnp6zgwtypp76dmfnbzzc","university":"org_2ze6d86hhhss2wejvat4dv0zhq"}}');
INSERT INTO "plans_stage" VALUES('run_7d2dvw6a6qp5xa0merheadbwe1','corpus',1,99,'{"certificate":"certificate_414kwkzw23r6w2m9sbgrhke43g","certificate_digest":"sha256:ebbd2d54ccd850488e623b6d778e7e7b93dd9ad1271b7671ee210d1f7a1f6aeb","certificate_reference":"350fe2eda6296632d616c55ba6a0a188b1a79016b81230e29ccd111ba03857c3","decisions":"sha256:2b4daf3b42613ef0cd12148a79cd2cd04e36fe383b45392266c4e9c78dc3f775","input":"sha256:464eda02332f4f9759c36f927bb7d649747c206ff5ba44bce50bc0055b916309","output":"sha256:f98c4ec80b3775d4cb5158fc753eeb1491cb49a6a562da7f36af1b994324e00a","sample":"sha256:f98c4ec80b3775d4cb5158fc753eeb1491cb49a6a562da7f36af1b994324e00a","source":"source_4h8se5vrw1zmn3ecv5che9vh2p","source_reference":"c66cdcb0d03f388bfe8a55052c07dc19b41e01266c60e8836994a31aeda88c33","spans":"sha256:ee65d539a6984a7fa38263863342482c6222a5348698cd0203e74ff8d4f97361"}');
INSERT INTO "plans_stage" VALUES('run_7d2dvw6a6qp5xa0merheadbwe1','exchange',2,35,'{"buyer":"org_2ze6d86hhhss2wejvat4dv0zhq","grant":"grant_7a39p8qgh7ds4v5vb1zcr0h044","heldout":"sha256:baa831580eb453f3375c3ebed9ab3448a611b8d8f2fecdda277caaf8488fd237","listing":"listing_4bdrammbvqy7pwdqzz7mcctfa3","order":"order_0ykkb1ne2m9hvbzk8j3tpywf02","reference":"70c823ad183608222e3287a7d102c3768678cdebe06ddc90dd004ebe82d15999","split":"split_6ps3jyn6xbysft7hft2err7r88","split_reference":"d5bb06971cebcda64811e7b13b3d6b35bd079ed941c2b82af4ee72c11137d601","train":"sha256:07a3838ca5506ecb4e846452e09878fef737e379240db5ac2bba8c689713c047"}');
INSERT INTO "plans_stage" VALUES('run_7d2dvw6a6qp5xa0merheadbwe1','compute',3,1392,'{"award":"award_6b9bc33p0evfajrt4whg9w0y0t","beyond":{"code":"compute.waiting_award","params":[["chip","cpu"],["left","898.701"],["needed","7,200.000"]],"waited":true,"workload":"workload_6f7wsxz2vd99shm4003tvr25a3"},"outputs":{"card.json":"sha256:57aeb394ec5738f590f793b6f0aa9c89e85c6373e5aa4b111be92472e206a0d9","manifest.json":"sha256:a11ed5777f12cc7bc6444afb2d17a196443b46626b0b9b54e7899b3e3d6205f5","model.safetensors":"sha256:d9944f542c32599c465376ac4a6b9312687976b32b04bcce6326aed88e59c443"},"pool":"pool_6zdnnhwmsmfd8jq65xdvfahs22","reference":"96b4b443f7a6ab79bb9f954406014bc9c7403b84a1963f4643890fd56e0eec62","workload":"workload_6c4vz050cv4rmg0e1a6ga0rzkq"}');
INSERT INTO "plans_stage" VALUES('run_7d2dvw6a6qp5xa0merheadbwe1','models',4,3,'{"digest":"sha256:d9944f542c32599c465376ac4a6b9312687976b32b04bcce6326aed88e59c443","reference":"e82de97bceabb55ed0ae78504e2b32b72b649fad4219d2810636c272ee839a65","version":"model_0hqf5gx8b9ms1ebpdvz9by4mwg"}');
INSERT INTO "plans_stage" VALUES('run_7d2dvw6a6qp5xa0merheadbwe1','evaluation',5,41,'{"evaluation":"evaluation_7205053vy4wc5efqpgvykscnkh","passed":true,"reference":"b8f42d86023eafa755e16e21286f084c302d4b4ee5b1eef33a32e279578f73a4","results":"sha256:560037ec60704bf8bae3810fcb1148cda2d053db5b2ce672f1f10639e03ef39e"}');
INSERT INTO "plans_stage" VALUES('run_7d2dvw6a6qp5xa0merheadbwe1','governance',6,15,'{"approvals":["approval_29qdr5mbb3rfj041bkpgghp0ek","approval_5zye93vqsmg4zhqqam3zknctxz"],"reference":"94545eabeb1ff47af85d26bb3b5fc573dd8c0b11d7d006a59f0e34005bab3e41","release":"release_7k9227y33fnrh48ewr80edajze","risk":"risk_5rswhwcsmhtv50a7jkedecppvv","valid_until_us":1810897376076664}');
INSERT INTO "plans_stage" VALUES('run_7d2dvw6a6qp5xa0merheadbwe1','serving',7,245,'{"answer":"ans_01m81erte1e15sm7mx55nvf302","answers":[{"id":"ans_01m81ertdwj3sy7zgt03t5dnth","label":"住房建设","question":"小区门口路灯坏了好几天，晚上走路很危险，麻烦派人来修。","scores":[["交通运输","0.0515"],["人力社保","0.0625"],["住房建设","0.2399"],["公安交管","0.1024"],["卫生健康","0.0453"],["城市管理","0.1186"],["市场监管","0.0920"],["教育","0.0348"],["民政","0.0212"],["水务","0.0469"],["生态环境","0.0913"],["电力供热","0.0935"]]},{"id":"ans_01m81erte1e15sm7mx55nvf302","label":"生态环境","question":"楼下烧烤店每天营业到凌晨两点，油烟直接飘进家里，孩子一直咳嗽。","scores":[["交通运输","0.0362"],["人力社保","0.0554"],["住房建设","0.2089"],["公安交管","0.0495"],["卫生健康","0.0624"],["城市管理","0.0726"],["市场监管","0.0959"],["教育","0.0696"],["民政","0.0258"],["水务","0.0583"],["生态环境","0.2152"],["电力供热","0.0503"]]}],"checks":{"unknown_key_refused":true},"deployment":"dep_1a9en27yn1dfj4d0806epz00mv","receipt":"sha256:34a74c2337f3b9f4d73daeff52958131f893503288c7b069b1e48669ab08863e","reference":"daeaee9589e9741a3968c71b9418f30a7ec8ae55795a73fe1a607695877e2475"}');
INSERT INTO "plans_stage" VALUES('run_7d2dvw6a6qp5xa0merheadbwe1','verification',8,6,'{"damaged":[],"good":15,"links":15,"ok":true}');
CREATE TABLE storage_idempotency (
	tenant VARCHAR(64) NOT NULL, 
	"key" TEXT NOT NULL, 
	request_digest VARCHAR(71) NOT NULL, 
	answer TEXT NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_storage_idempotency PRIMARY KEY (tenant, "key")
);
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
INSERT INTO "storage_work" VALUES('work_3k3j98hg9xdcw61pd2ver4yrgz','plans.run','run_7d2dvw6a6qp5xa0merheadbwe1','{}','done',1,NULL,'old.example/0/1/1',1795345406082520,1795345376076664,'{}');
INSERT INTO "storage_work" VALUES('work_5z4zf8tpzd30fzpyfwfe3vy8sa','compute.run.local','workload_6c4vz050cv4rmg0e1a6ga0rzkq/1','{"workload":"workload_6c4vz050cv4rmg0e1a6ga0rzkq"}','done',1,NULL,'old.example/0/1/1',1795345406258662,1795345376245832,'{"outcome":"succeeded"}');
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
CREATE INDEX ix_compute_award_organisation_chip ON compute_award (organisation, chip);
CREATE INDEX ix_compute_draw_award ON compute_draw (award);
CREATE INDEX ix_compute_voucher_organisation_currency ON compute_voucher (organisation, currency);
CREATE INDEX ix_compute_workload_pool_state ON compute_workload (pool, state);
CREATE INDEX ix_compute_workload_state_number ON compute_workload (state, number);
CREATE INDEX ix_corpus_cleansing_holder ON corpus_cleansing (holder);
CREATE INDEX ix_evaluation_run_model_version ON evaluation_run (model_version);
CREATE INDEX ix_evaluation_split_dataset_digest ON evaluation_split (dataset_digest);
CREATE INDEX ix_exchange_access_grant_id ON exchange_access (grant_id);
CREATE INDEX ix_exchange_grant_buyer ON exchange_grant (buyer);
CREATE INDEX ix_exchange_grant_dataset_digest ON exchange_grant (dataset_digest);
CREATE INDEX ix_exchange_listing_holder ON exchange_listing (holder);
CREATE INDEX ix_exchange_order_buyer ON exchange_order (buyer);
CREATE INDEX ix_governance_evidence_risk_measure_at_us ON governance_evidence (risk, measure, at_us);
CREATE INDEX ix_governance_release_model_version ON governance_release (model_version);
CREATE INDEX ix_governance_risk_model_version ON governance_risk (model_version);
CREATE INDEX ix_models_answer_deployment_at_us ON models_answer (deployment, at_us);
COMMIT;
